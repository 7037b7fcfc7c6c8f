use std::path::PathBuf;

use chrono::NaiveDate;
use clap::Args;
use proto::screening::v1::{
    Itinerary, RecordItineraryRequest, Source, Visit, screening_service_client::ScreeningServiceClient,
};

use super::{declaration::place_and_days, verdict};
use crate::desk::{ask::Act, typed};

#[derive(Args)]
pub struct Record {
    #[arg(value_parser = typed::name("cases"))]
    case: String,
    /// Whose number it is
    #[arg(long, value_parser = typed::word(Source::as_str_name))]
    source: Source,
    /// Which of the person's numbers, from 1
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    phone: i32,
    /// The days that the carrier looked at: FIRST DAY:LAST DAY
    #[arg(long, value_parser = typed::period, value_name = "DAYS")]
    window: (NaiveDate, NaiveDate),
    #[command(flatten)]
    seen: Seen,
    #[command(flatten)]
    act: Act,
}

/// What the carrier saw: exactly one of these has to be said, since "nothing seen" and "no data" are far apart (R4).
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Seen {
    /// A JSON file of screening.v1.Itinerary, or - for the standard input
    #[arg(value_name = "FILE.json")]
    file: Option<PathBuf>,
    /// One place, as often as needed: PLACE:FIRST DAY:LAST DAY[:HOURS], where the hours are those of the longest day
    #[arg(long = "visit", value_name = "VISIT", value_parser = visit)]
    visits: Vec<Visit>,
    /// The carrier saw the number nowhere else
    #[arg(long)]
    nowhere: bool,
    /// The carrier has no data for this number
    #[arg(long)]
    no_data: bool,
}

impl Record {
    pub async fn run(self) -> anyhow::Result<()> {
        let (case, source, phone) = (self.case, self.source.into(), self.phone);
        let (window_from, window_to) = (self.window.0.to_string(), self.window.1.to_string());
        let itinerary = self.seen.itinerary()?;
        let recorded = self.act.send(async |connection, request_id| {
            let request = RecordItineraryRequest { request_id, case, source, phone, window_from, window_to, itinerary };
            ScreeningServiceClient::new(connection).record_itinerary(request).await
        });
        verdict::show(&self.act.ask, &recorded.await?)
    }
}

impl Seen {
    pub(super) fn itinerary(self) -> anyhow::Result<Option<Itinerary>> {
        if self.no_data {
            return Ok(None);
        }
        match self.file {
            Some(file) => typed::read_message(&file).map(Some),
            None => Ok(Some(Itinerary { visits: self.visits })),
        }
    }
}

/// 武汉:2020-01-20:2020-01-22, perhaps with :5 for the hours.
fn visit(typed: &str) -> Result<Visit, String> {
    const EXAMPLE: &str = "武汉:2020-01-20:2020-01-22:5";
    let (place, first, last, hours) = place_and_days(typed, EXAMPLE)?;
    let hours = match hours.as_deref().map(str::parse::<i32>) {
        None => None,
        Some(Ok(hours)) if (0..=24).contains(&hours) => Some(hours),
        Some(_) => return Err(format!("{typed:?} ends in no hours of a day, 0 to 24: write it as {EXAMPLE}")),
    };
    Ok(Visit { place, first: first.to_string(), last: last.to_string(), hours })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        seen: Seen,
    }

    fn seen(words: &[&str]) -> Result<Option<Itinerary>, clap::Error> {
        let typed = Typed::try_parse_from(["itinerary"].iter().chain(words))?;
        Ok(typed.seen.itinerary().unwrap())
    }

    #[test]
    fn a_visit_has_its_hours_or_none() {
        let visit = |typed| visit(typed).ok().unwrap();
        assert_eq!(visit("武汉:2020-01-20:2020-01-22").hours, None);
        assert_eq!(visit("武汉:2020-01-20:2020-01-22:5").hours, Some(5));
        assert_eq!(visit("湖北 武汉：2020-01-20：2020-01-22：0").place, "湖北 武汉");
    }

    #[test]
    fn a_visit_with_impossible_hours_is_refused() {
        for hours in ["", "25", "-1", "4.5", "4:5"] {
            assert!(visit(&format!("武汉:2020-01-20:2020-01-22:{hours}")).is_err(), "{hours}");
        }
    }

    #[test]
    fn seen_nowhere_and_no_data_are_not_the_same() {
        assert!(seen(&["--nowhere"]).unwrap().unwrap().visits.is_empty());
        assert!(seen(&["--no-data"]).unwrap().is_none());
    }

    #[test]
    fn what_the_carrier_saw_must_be_said_in_one_way() {
        assert!(seen(&[]).is_err());
        assert!(seen(&["--nowhere", "--no-data"]).is_err());
        let two = ["--visit", "武汉:2020-01-20:2020-01-22", "--visit", "杭州:2020-01-23:2020-01-23:6"];
        assert_eq!(seen(&two).unwrap().unwrap().visits.len(), 2);
    }
}
