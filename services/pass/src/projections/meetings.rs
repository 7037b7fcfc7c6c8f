//! Who was at the same gate at the same time as somebody. Read from the crossings of the one person, and for each from those of
//! its gate around it; both by an index.

use chassis::{Scope, timestamp};
use chrono::{DateTime, TimeDelta, Utc};
use proto::pass::v1::Contact;
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::residents::{self, Merges};

/// Whose meetings, and which count as one.
pub(crate) struct Sought<'a> {
    pub resident_id: &'a str,
    pub from: DateTime<Utc>,
    pub before: DateTime<Utc>,
    pub within: TimeDelta,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Met {
    /// Of the person.
    pub crossings: i32,
    /// In the order of the least time between.
    pub contacts: Vec<Contact>,
    /// Crossings around those that name nobody.
    pub nameless: i32,
}

/// One time at which two were there.
struct Meeting {
    person: String,
    gate: String,
    at: i64,
    case_at: i64,
    household: Option<String>,
    compound: Option<String>,
    position: i64,
}

/// By all records of a person, whichever was merged into which. `None` where there are more meetings than `most`.
pub(crate) async fn of(
    db: &mut AnyConnection,
    scope: &Scope,
    sought: &Sought<'_>,
    most: i64,
) -> Result<Option<Met>, sqlx::Error> {
    let merges = Merges::all(db).await?;
    let sought_living = merges.living(sought.resident_id);
    let (mut crossings, mut meetings) = (0, Vec::new());
    for record in merges.records(sought.resident_id) {
        crossings += crossings_of(db, scope, sought, record).await?;
        meetings.extend(meetings_of(db, scope, sought, record, most).await?);
        if i64::try_from(meetings.len()).is_ok_and(|meetings| meetings > most) {
            return Ok(None);
        }
    }
    meetings.retain(|meeting| meeting.person.is_empty() || merges.living(&meeting.person) != sought_living);
    for meeting in &mut meetings {
        let living = merges.living(&meeting.person);
        if living != meeting.person {
            let home = residents::find(db, &Scope::Everywhere, living).await?.unwrap_or_default().residence;
            (meeting.household, meeting.compound) = (Some(home.household_id), Some(home.compound_id));
            meeting.person = String::from(living);
        }
    }
    Ok(Some(met(i32::try_from(crossings).unwrap_or(i32::MAX), meetings)))
}

async fn crossings_of(
    db: &mut AnyConnection,
    scope: &Scope,
    sought: &Sought<'_>,
    record: &str,
) -> Result<i64, sqlx::Error> {
    sqlx::query(
        "SELECT COUNT(*) FROM crossing
         WHERE person_id = $1 AND person_id <> '' AND crossed_at >= $2 AND crossed_at < $3
           AND ($4 = '' OR neighbourhood_id = $4)",
    )
    .bind(record.to_owned())
    .bind(sought.from.timestamp_micros())
    .bind(sought.before.timestamp_micros())
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .fetch_one(db)
    .await?
    .try_get(0)
}

/// One more than `most` where there are more.
async fn meetings_of(
    db: &mut AnyConnection,
    scope: &Scope,
    sought: &Sought<'_>,
    record: &str,
    most: i64,
) -> Result<Vec<Meeting>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT o.person_id, o.compound_id, o.gate_id, o.crossed_at, c.crossed_at, r.household_id, r.compound_id, o.position
         FROM crossing c
         JOIN crossing o ON o.compound_id = c.compound_id AND o.gate_id = c.gate_id
           AND o.crossed_at >= c.crossed_at - $5 AND o.crossed_at <= c.crossed_at + $5
         LEFT JOIN resident r ON r.resident_id = o.person_id
         WHERE c.person_id = $1 AND c.person_id <> '' AND c.crossed_at >= $2 AND c.crossed_at < $3
           AND ($4 = '' OR c.neighbourhood_id = $4) AND o.person_id <> $1
         LIMIT $6",
    )
    .bind(record.to_owned())
    .bind(sought.from.timestamp_micros())
    .bind(sought.before.timestamp_micros())
    .bind(scope.neighbourhood().unwrap_or("").to_owned())
    .bind(sought.within.num_microseconds().unwrap_or(0))
    .bind(most + 1)
    .fetch_all(db)
    .await?;
    rows.iter().map(meeting).collect()
}

/// One contact for each person, with the closest of their meetings.
fn met(crossings: i32, mut meetings: Vec<Meeting>) -> Met {
    let apart = |meeting: &Meeting| meeting.at.abs_diff(meeting.case_at);
    meetings.sort_by(|a, b| (apart(a), &a.person, a.position).cmp(&(apart(b), &b.person, b.position)));
    let mut met = Met { crossings, ..Met::default() };
    let mut places = std::collections::HashMap::new();
    // One passage may lie around several of the person's.
    let mut nameless = std::collections::HashSet::new();
    for meeting in meetings {
        if meeting.person.is_empty() {
            nameless.insert(meeting.position);
        } else if let Some(place) = places.get(&meeting.person) {
            let contact: &mut Contact = &mut met.contacts[*place];
            contact.meetings += 1;
        } else {
            places.insert(meeting.person.clone(), met.contacts.len());
            met.contacts.push(contact(meeting));
        }
    }
    met.nameless = i32::try_from(nameless.len()).unwrap_or(i32::MAX);
    met
}

fn contact(meeting: Meeting) -> Contact {
    let time = |micros| DateTime::from_timestamp_micros(micros).map(timestamp);
    let named = |collection: &str, id: Option<String>| id.map(|id| format!("{collection}/{id}")).unwrap_or_default();
    Contact {
        resident: format!("residents/{}", meeting.person),
        household: named("households", meeting.household),
        compound: named("compounds", meeting.compound),
        meetings: 1,
        gate: meeting.gate,
        cross_time: time(meeting.at),
        case_cross_time: time(meeting.case_at),
        apart_seconds: (meeting.at - meeting.case_at).abs() / 1_000_000,
    }
}

fn meeting(row: &AnyRow) -> Result<Meeting, sqlx::Error> {
    Ok(Meeting {
        person: row.try_get(0)?,
        gate: format!("compounds/{}/gates/{}", row.try_get::<String, _>(1)?, row.try_get::<String, _>(2)?),
        at: row.try_get(3)?,
        case_at: row.try_get(4)?,
        household: row.try_get(5)?,
        compound: row.try_get(6)?,
        position: row.try_get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(person: &str, at: i64, case_at: i64) -> Meeting {
        let minute = 60_000_000;
        Meeting {
            person: person.to_owned(),
            gate: "compounds/c/gates/1".to_owned(),
            at: at * minute,
            case_at: case_at * minute,
            household: None,
            compound: None,
            position: at,
        }
    }

    #[test]
    fn each_person_is_one_contact_with_the_closest_meeting() {
        let meetings = vec![seen("a", 20, 0), seen("b", 5, 0), seen("a", 101, 100), seen("", 3, 0), seen("", 3, 10)];
        let met = met(2, meetings);
        let contacts = met.contacts.iter();
        let contacts: Vec<(&str, i32, i64)> =
            contacts.map(|contact| (contact.resident.as_str(), contact.meetings, contact.apart_seconds)).collect();
        assert_eq!(contacts, [("residents/a", 2, 60), ("residents/b", 1, 300)]);
        assert_eq!((met.crossings, met.nameless), (2, 1), "one passage around two crossings is one");
    }
}
