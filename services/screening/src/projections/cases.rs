//! Cases by resident, compound and state, with what their verdicts say in figures. Nothing personal stands here: the
//! reasons are opened from the log, one case at a time.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Scope, Tables};
use chrono::DateTime;
use proto::{
    Fact as _,
    screening::v1::{
        self, Instance, Outcome, case,
        case_event::{Assessed, Disputed, Event, EvidenceRecorded, Opened, PhonesChanged},
    },
};
use sqlx::{AnyConnection, AssertSqlSafe, Row as _, any::AnyRow};

use crate::domain::case::moved;

pub struct Cases;

#[async_trait]
impl Projection for Cases {
    fn name(&self) -> &'static str {
        "cases"
    }

    fn version(&self) -> u32 {
        5
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE screening_case (
           case_id TEXT NOT NULL PRIMARY KEY, version BIGINT NOT NULL, resident_id TEXT NOT NULL, household_id TEXT NOT NULL,
           compound_id TEXT NOT NULL, neighbourhood_id TEXT NOT NULL, state BIGINT NOT NULL, phones BIGINT NOT NULL,
           outcome BIGINT NOT NULL, risk BIGINT NOT NULL, honesty BIGINT NOT NULL,
           measure BIGINT NOT NULL, method TEXT NOT NULL, evidence_ids TEXT NOT NULL, last_exposure TEXT NOT NULL,
           assessed_at BIGINT NOT NULL, dispute_due BIGINT NOT NULL, as_of TEXT NOT NULL, assessed_position BIGINT NOT NULL,
           dispute_instance BIGINT NOT NULL, vocabulary BIGINT NOT NULL, override_id TEXT NOT NULL,
           override_reason BIGINT NOT NULL, override_until BIGINT NOT NULL);
         CREATE INDEX screening_case_of_resident ON screening_case (resident_id, case_id);
         CREATE INDEX screening_case_of_compound ON screening_case (compound_id, case_id);
         CREATE INDEX screening_case_of_neighbourhood ON screening_case (neighbourhood_id, case_id);
         CREATE INDEX screening_case_by_verdict ON screening_case (assessed_position);
         CREATE TABLE scanned_phone (case_id TEXT NOT NULL, scan TEXT NOT NULL, phone BIGINT NOT NULL,
           PRIMARY KEY (case_id, scan))"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        if record.category != Event::CATEGORY {
            return Ok(());
        }
        let case = record.stream_id.as_str();
        match Event::from_payload(&record.payload)? {
            Event::Opened(opened) => open(tables, case, opened).await?,
            Event::Declared(_) => enter(tables, case, case::State::Declared).await?,
            Event::EvidenceRecorded(evidence) => scan(tables, case, evidence).await?,
            Event::Assessed(verdict) => assess(tables, case, verdict, record).await?,
            Event::Disputed(disputed) => dispute(tables, case, &disputed).await?,
            Event::DisputeEscalated(escalated) => {
                let instance = ("dispute_instance", i64::from(escalated.to).into());
                tables.set("screening_case", [("case_id", case.into())], [instance]).await?;
            }
            Event::DisputeResolved(_) => enter(tables, case, case::State::Assessed).await?,
            Event::OverrideProposed(_)
            | Event::OverrideApproved(_)
            | Event::OverrideDeclined(_)
            | Event::OverrideEnded(_) => {}
            Event::PhonesChanged(changed) => change_phones(tables, case, &changed).await?,
        }
        let version = i64::try_from(record.version).context("a version fits into 63 bits")?;
        tables.set("screening_case", [("case_id", case.into())], [("version", version.into())]).await
    }
}

async fn open(tables: &mut Tables<'_>, case: &str, opened: Opened) -> anyhow::Result<()> {
    let residence = opened.residence.unwrap_or_default();
    let row = [
        ("case_id", case.into()),
        ("version", 1.into()),
        ("resident_id", opened.resident_id.into()),
        ("household_id", residence.household_id.into()),
        ("compound_id", residence.compound_id.into()),
        ("neighbourhood_id", residence.neighbourhood_id.into()),
        ("state", i64::from(case::State::Due as i32).into()),
        ("phones", i64::from(opened.phones).into()),
        ("outcome", 0.into()),
        ("risk", 0.into()),
        ("honesty", 0.into()),
        ("measure", 0.into()),
        ("method", "".into()),
        ("evidence_ids", "".into()),
        ("last_exposure", "".into()),
        ("assessed_at", 0.into()),
        ("dispute_due", 0.into()),
        ("as_of", "".into()),
        ("assessed_position", 0.into()),
        ("dispute_instance", 0.into()),
        ("vocabulary", 0.into()),
        ("override_id", "".into()),
        ("override_reason", 0.into()),
        ("override_until", 0.into()),
    ];
    tables.put("screening_case", row).await
}

async fn enter(tables: &mut Tables<'_>, case: &str, state: case::State) -> anyhow::Result<()> {
    let state = [("state", i64::from(state as i32).into()), ("dispute_due", 0.into()), ("dispute_instance", 0.into())];
    tables.set("screening_case", [("case_id", case.into())], state).await
}

/// A ticket or a proof is no scan of a number.
async fn scan(tables: &mut Tables<'_>, case: &str, evidence: EvidenceRecorded) -> anyhow::Result<()> {
    if evidence.phone == 0 {
        return Ok(());
    }
    let scan = [("case_id", case.into()), ("scan", evidence.evidence_id.into())];
    tables.put_under("scanned_phone", scan, [("phone", i64::from(evidence.phone).into())]).await
}

/// A case that is closed stays as it was.
async fn change_phones(tables: &mut Tables<'_>, case: &str, changed: &PhonesChanged) -> anyhow::Result<()> {
    let db = tables.now().await?;
    let open =
        sqlx::query("UPDATE screening_case SET phones = $2 WHERE case_id = $1 AND (outcome = 0 OR outcome = $3)")
            .bind(case.to_owned())
            .bind(i64::from(changed.after))
            .bind(i64::from(Outcome::InsufficientEvidence as i32))
            .execute(&mut *db)
            .await
            .context("keeping how many numbers a person has")?;
    if open.rows_affected() == 0 {
        return Ok(());
    }
    let scans = sqlx::query("SELECT scan, phone FROM scanned_phone WHERE case_id = $1")
        .bind(case.to_owned())
        .fetch_all(db)
        .await
        .context("reading scanned numbers")?;
    for scan in &scans {
        let place = moved(i32::try_from(scan.try_get::<i64, _>("phone")?)?, changed);
        let scan = [("case_id", case.into()), ("scan", scan.try_get::<String, _>("scan")?.into())];
        tables.set("scanned_phone", scan, [("phone", i64::from(place).into())]).await?;
    }
    Ok(())
}

/// All cases of a resident.
pub async fn of_resident(db: &mut AnyConnection, resident: &str) -> anyhow::Result<Vec<String>> {
    let rows = sqlx::query("SELECT case_id FROM screening_case WHERE resident_id = $1 ORDER BY case_id")
        .bind(resident.to_owned())
        .fetch_all(db)
        .await
        .context("looking up a resident's cases")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn assess(tables: &mut Tables<'_>, case: &str, verdict: Assessed, record: &Record) -> anyhow::Result<()> {
    let time = record.occurred_at.as_ref().and_then(chassis::instant).unwrap_or_default();
    let as_of = if verdict.as_of.is_empty() { chassis::day_of(time).to_string() } else { verdict.as_of };
    let hand = verdict.r#override.unwrap_or_default();
    let until = hand.expire_time.as_ref().and_then(chassis::instant).map_or(0, |end| end.timestamp_micros());
    // A verdict set by hand may end while it is disputed: the dispute goes on.
    let undisputed = [("case_id", case.into()), ("dispute_due", 0.into())];
    let state = ("state", i64::from(case::State::Assessed as i32).into());
    tables.set("screening_case", undisputed, [state]).await?;
    let said = [
        ("outcome", i64::from(verdict.outcome).into()),
        ("risk", i64::from(verdict.risk).into()),
        ("honesty", i64::from(verdict.honesty).into()),
        ("measure", i64::from(verdict.measure).into()),
        ("method", verdict.method_version.into()),
        ("evidence_ids", verdict.evidence_ids.join(" ").into()),
        ("last_exposure", verdict.last_exposure.into()),
        ("assessed_at", time.timestamp_micros().into()),
        ("as_of", as_of.into()),
        ("assessed_position", i64::try_from(record.position).context("a position fits into 63 bits")?.into()),
        ("vocabulary", verdict.vocabulary.into()),
        ("override_id", hand.override_id.into()),
        ("override_reason", i64::from(hand.reason).into()),
        ("override_until", until.into()),
    ];
    tables.set("screening_case", [("case_id", case.into())], said).await
}

async fn dispute(tables: &mut Tables<'_>, case: &str, disputed: &Disputed) -> anyhow::Result<()> {
    let due = disputed.due.as_ref().and_then(chassis::instant).map_or(0, |due| due.timestamp_micros());
    let disputed = [
        ("state", i64::from(case::State::Disputed as i32).into()),
        ("dispute_due", due.into()),
        ("dispute_instance", i64::from(Instance::Neighbourhood as i32).into()),
    ];
    tables.set("screening_case", [("case_id", case.into())], disputed).await
}

/// Which cases are wanted; empty and unspecified leave a field open.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub resident: String,
    pub compound: String,
    pub state: i32,
    pub outcome: i32,
}

/// At most `limit` of the cases within reach, in the order of their ids.
pub async fn list(
    db: &mut AnyConnection,
    scope: &Scope,
    filter: &Filter,
    after: &str,
    limit: i64,
) -> anyhow::Result<Vec<v1::Case>> {
    let mut texts = vec![("case_id >", after.to_owned())];
    if let Some(neighbourhood) = scope.neighbourhood() {
        texts.push(("neighbourhood_id =", neighbourhood.to_owned()));
    }
    if !filter.resident.is_empty() {
        texts.push(("resident_id =", filter.resident.clone()));
    }
    if !filter.compound.is_empty() {
        texts.push(("compound_id =", filter.compound.clone()));
    }
    let mut numbers = Vec::new();
    if filter.state != 0 {
        numbers.push(("state =", i64::from(filter.state)));
    }
    if filter.outcome != 0 {
        numbers.push(("outcome =", i64::from(filter.outcome)));
    }
    let columns = texts.iter().map(|(column, _)| *column).chain(numbers.iter().map(|(column, _)| *column));
    let conditions: Vec<String> = columns.zip(1..).map(|(column, at)| format!("{column} ${at}")).collect();
    let last = conditions.len() + 1;
    let sql = format!(
        "SELECT case_id, version, resident_id, household_id, compound_id, neighbourhood_id, state, phones,
           (SELECT CAST(COUNT(DISTINCT phone) AS BIGINT) FROM scanned_phone
             WHERE scanned_phone.case_id = screening_case.case_id
             AND scanned_phone.phone BETWEEN 1 AND screening_case.phones) AS scanned,
           outcome, risk, honesty, measure, method, evidence_ids, last_exposure, assessed_at, dispute_due, dispute_instance,
           vocabulary, override_id, override_reason, override_until FROM screening_case WHERE {} ORDER BY case_id LIMIT ${last}",
        conditions.join(" AND ")
    );
    // Composed of this function's own words only; every value is bound.
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (_, value) in texts {
        query = query.bind(value);
    }
    for (_, value) in numbers {
        query = query.bind(value);
    }
    let rows = query.bind(limit).fetch_all(db).await.context("listing cases")?;
    Ok(rows.iter().map(case).collect())
}

/// When a case got its verdict.
pub async fn assessed_at(db: &mut AnyConnection, case: &str) -> anyhow::Result<Option<prost_types::Timestamp>> {
    let row = sqlx::query("SELECT assessed_at FROM screening_case WHERE case_id = $1")
        .bind(case.to_owned())
        .fetch_optional(db)
        .await
        .context("looking up a verdict's time")?;
    Ok(row.and_then(|row| time(row.get(0))))
}

fn case(row: &AnyRow) -> v1::Case {
    let number = |column: &str| i32::try_from(row.get::<i64, _>(column)).unwrap_or_default();
    let name = |collection: &str, column: &str| format!("{collection}/{}", row.get::<String, _>(column));
    let verdict = (number("outcome") != 0).then(|| v1::Verdict {
        outcome: number("outcome"),
        risk: number("risk"),
        honesty: number("honesty"),
        measure: number("measure"),
        method: name("methods", "method"),
        evidence_ids: row.get::<String, _>("evidence_ids").split_whitespace().map(str::to_owned).collect(),
        reasons: None,
        time: time(row.get("assessed_at")),
        last_exposure: row.get("last_exposure"),
        vocabulary: row.get("vocabulary"),
        r#override: hand(row),
    });
    v1::Case {
        name: name("cases", "case_id"),
        resident: name("residents", "resident_id"),
        household: name("households", "household_id"),
        compound: name("compounds", "compound_id"),
        neighbourhood: name("neighbourhoods", "neighbourhood_id"),
        state: number("state"),
        phones: number("phones"),
        scanned: number("scanned"),
        verdict,
        dispute_due: time(row.get("dispute_due")),
        etag: row.get::<i64, _>("version").to_string(),
        dispute_instance: number("dispute_instance"),
        phones_change: None,
    }
}

/// Without its signatures, which the case itself shows.
fn hand(row: &AnyRow) -> Option<v1::VerdictOverride> {
    let id: String = row.get("override_id");
    (!id.is_empty()).then(|| v1::VerdictOverride {
        name: format!("cases/{}/overrides/{id}", row.get::<String, _>("case_id")),
        reason: i32::try_from(row.get::<i64, _>("override_reason")).unwrap_or_default(),
        expire_time: time(row.get("override_until")),
        proposed: None,
        approved: None,
    })
}

fn time(microseconds: i64) -> Option<prost_types::Timestamp> {
    if microseconds == 0 { None } else { DateTime::from_timestamp_micros(microseconds).map(chassis::timestamp) }
}
