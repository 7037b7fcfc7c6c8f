//! Who lives where and what their screening says.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Record, Tables, instant};
use proto::{
    Fact,
    registry::v1::{Tenure, household_event, neighbourhood_event, resident_event},
    screening::v1::{case_event, method_event},
};
use sqlx::AnyConnection;

pub struct People;

#[async_trait]
impl Projection for People {
    fn name(&self) -> &'static str {
        "people"
    }

    fn version(&self) -> u32 {
        2
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE neighbourhood (neighbourhood_id TEXT PRIMARY KEY, display_name TEXT NOT NULL);
         CREATE TABLE household (household_id TEXT PRIMARY KEY, neighbourhood_id TEXT NOT NULL, rented BIGINT NOT NULL);
         CREATE TABLE resident (resident_id TEXT PRIMARY KEY, neighbourhood_id TEXT NOT NULL, present BIGINT NOT NULL);
         CREATE TABLE latest_case (resident_id TEXT PRIMARY KEY, case_id TEXT NOT NULL, outcome BIGINT NOT NULL,
           disputed BIGINT NOT NULL);
         CREATE UNIQUE INDEX latest_case_id ON latest_case (case_id);
         CREATE TABLE method (version TEXT PRIMARY KEY, in_force_from BIGINT NOT NULL, position BIGINT NOT NULL)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["registry", "screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let (id, payload) = (record.stream_id.clone(), &*record.payload);
        match record.category.as_str() {
            neighbourhood_event::Event::CATEGORY => {
                let neighbourhood_event::Event::Opened(event) = neighbourhood_event::Event::from_payload(payload)?;
                let row = [("neighbourhood_id", id.into()), ("display_name", event.display_name.into())];
                tables.put("neighbourhood", row).await?;
            }
            household_event::Event::CATEGORY => {
                let household_event::Event::Registered(event) = household_event::Event::from_payload(payload)? else {
                    return Ok(());
                };
                let rented = i64::from(event.tenure() == Tenure::Rented);
                let row = [
                    ("household_id", id.into()),
                    ("neighbourhood_id", event.neighbourhood_id.into()),
                    ("rented", rented.into()),
                ];
                tables.put("household", row).await?;
            }
            resident_event::Event::CATEGORY => {
                resident(tables, id, resident_event::Event::from_payload(payload)?).await?;
            }
            case_event::Event::CATEGORY => {
                case(tables.now().await?, id, case_event::Event::from_payload(payload)?).await?;
            }
            method_event::Event::CATEGORY => {
                if let method_event::Event::Published(event) = method_event::Event::from_payload(payload)? {
                    // One that does not say from when is in force from its publication on.
                    let from = event.in_force_time.as_ref().or(record.occurred_at.as_ref()).and_then(instant);
                    let row = [
                        ("version", event.version.into()),
                        ("in_force_from", from.unwrap_or_default().timestamp_micros().into()),
                        ("position", i64::try_from(record.position).context("a position fits into 63 bits")?.into()),
                    ];
                    tables.put("method", row).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

async fn resident(tables: &mut Tables<'_>, id: String, event: resident_event::Event) -> anyhow::Result<()> {
    match event {
        resident_event::Event::Registered(event) => {
            let row = [
                ("resident_id", id.into()),
                ("neighbourhood_id", event.residence.unwrap_or_default().neighbourhood_id.into()),
                ("present", 1.into()),
            ];
            tables.put("resident", row).await?;
        }
        // A person who stands in the register twice is counted once.
        resident_event::Event::MovedOut(_) | resident_event::Event::Merged(_) | resident_event::Event::Unmerged(_) => {
            let present = i64::from(matches!(event, resident_event::Event::Unmerged(_)));
            sqlx::query("UPDATE resident SET present = $2 WHERE resident_id = $1")
                .bind(id)
                .bind(present)
                .execute(tables.now().await?)
                .await
                .context("moving a resident out")?;
        }
        resident_event::Event::Revealed(_) | resident_event::Event::Erased(_) | resident_event::Event::Corrected(_) => {
        }
    }
    Ok(())
}

async fn case(db: &mut AnyConnection, id: String, event: case_event::Event) -> anyhow::Result<()> {
    let change = match event {
        case_event::Event::Opened(event) => sqlx::query(
            "INSERT INTO latest_case (resident_id, case_id, outcome, disputed) VALUES ($1, $2, 0, 0)
             ON CONFLICT (resident_id) DO UPDATE SET case_id = excluded.case_id, outcome = 0, disputed = 0",
        )
        .bind(event.resident_id)
        .bind(id),
        case_event::Event::Assessed(event) => sqlx::query("UPDATE latest_case SET outcome = $1 WHERE case_id = $2")
            .bind(i64::from(event.outcome))
            .bind(id),
        case_event::Event::Disputed(_) => {
            sqlx::query("UPDATE latest_case SET disputed = 1 WHERE case_id = $1").bind(id)
        }
        case_event::Event::DisputeResolved(_) => {
            sqlx::query("UPDATE latest_case SET disputed = 0 WHERE case_id = $1").bind(id)
        }
        case_event::Event::Declared(_)
        | case_event::Event::EvidenceRecorded(_)
        | case_event::Event::DisputeEscalated(_)
        | case_event::Event::OverrideProposed(_)
        | case_event::Event::OverrideApproved(_)
        | case_event::Event::OverrideDeclined(_)
        | case_event::Event::OverrideEnded(_)
        | case_event::Event::PhonesChanged(_) => return Ok(()),
    };
    change.execute(db).await.context("noting what a case says")?;
    Ok(())
}
