//! Another method comes into force in the middle of a day, and everybody on record is judged by it (R25).

use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, NaiveDate, Utc};
use proto::screening::v1::{
    GetMethodRequest, GetRescreeningRequest, KeyArea, MethodContent, method_service_client::MethodServiceClient,
    rescreening::State, screening_service_client::ScreeningServiceClient,
};

use super::{
    founding,
    report::{Column, column},
    run::{PATIENCE, Run},
    travels::Stay,
};

/// Which method, and on which day from 1 on.
#[derive(Clone, Debug)]
pub struct Publication {
    pub day: u32,
    pub content: MethodContent,
}

const LOOK: Duration = Duration::from_millis(200);

/// Publishes, waits until everybody was judged anew, and says how things stood just before.
pub(super) async fn publish(run: &Run, publication: &Publication, time: DateTime<Utc>) -> anyhow::Result<Column> {
    let before = column(run, time, None).await?;
    let version = chassis::day_of(time).to_string();
    let stage = &run.stage;
    let signers = (&run.ids, &run.meter, &stage.officer, &stage.health);
    founding::publish(signers, &version, Some(publication.content.clone()), time).await?;
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut client = MethodServiceClient::new(stage.officer.at(time));
        let request = GetRescreeningRequest { name: format!("methods/{version}") };
        let rescreening = client.get_rescreening(request).await.context("asking how far everybody was judged")?;
        match rescreening.into_inner().state() {
            State::Done | State::Overtaken => break,
            State::Unspecified | State::Waiting | State::Running => {}
        }
        ensure!(tokio::time::Instant::now() < until, "nobody has judged everybody by the new method within 20 minutes");
        tokio::time::sleep(LOOK).await;
    }
    run.settled().await?;
    for (person, file) in run.files().iter_mut() {
        let Some(screened) = file.verdicts.first() else { continue };
        let travels = run.world.travels(*person, chassis::day_of(screened.time));
        let seen = travels.scans.iter().filter_map(|scan| scan.visits.as_ref()).flatten();
        let struck = travels.wrong.filter(|_| file.upheld.is_some());
        let hits = |stay: &Stay| Some(*stay) != struck && in_key_area(&publication.content, stay);
        file.kept_in |= file.released.is_none() && seen.chain(&travels.declared).any(hits);
    }
    Ok(before)
}

/// The one in force.
pub(super) async fn in_force(run: &Run, time: DateTime<Utc>) -> anyhow::Result<(String, MethodContent)> {
    let mut client = ScreeningServiceClient::new(run.stage.officer.at(time));
    let method = client.get_method(GetMethodRequest::default()).await.context("asking for the method")?.into_inner();
    Ok((method.name, method.content.unwrap_or_default()))
}

/// Whether a stay lies in a key area within its period.
pub(super) fn in_key_area(content: &MethodContent, stay: &Stay) -> bool {
    content.key_areas.iter().any(|area| covers(&area.place, stay.place.code) && within(area, stay))
}

/// A province covers its cities.
fn covers(area: &str, city: &str) -> bool {
    let stem = if area.ends_with("0000") { &area[..2] } else { area.trim_end_matches("00") };
    city.starts_with(stem)
}

fn within(area: &KeyArea, stay: &Stay) -> bool {
    let day = |text: &str| text.parse::<NaiveDate>().ok();
    day(&area.from).is_none_or(|from| from <= stay.to) && day(&area.to).is_none_or(|to| stay.from <= to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::travels::Place;

    #[test]
    fn a_province_covers_its_cities_within_the_period_and_nothing_else() {
        let day = |month: u32, day: u32| NaiveDate::from_ymd_opt(2020, month, day).unwrap();
        let area = |place: &str, to: &str| KeyArea {
            place: place.into(),
            from: "2020-01-10".into(),
            to: to.into(),
            ..KeyArea::default()
        };
        let content = MethodContent {
            key_areas: vec![area("420000", ""), area("330300", "2020-01-20")],
            ..MethodContent::default()
        };
        let stay = |code, from, to| Stay { place: Place { name: "", code }, from, to };
        assert!(in_key_area(&content, &stay("420100", day(1, 1), day(1, 10))));
        assert!(!in_key_area(&content, &stay("420100", day(1, 1), day(1, 9))));
        assert!(in_key_area(&content, &stay("330300", day(1, 20), day(2, 1))));
        assert!(!in_key_area(&content, &stay("330300", day(1, 21), day(2, 1))));
        assert!(!in_key_area(&content, &stay("330400", day(1, 15), day(2, 1))));
    }
}
