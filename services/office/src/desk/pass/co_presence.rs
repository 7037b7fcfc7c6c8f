use chrono::NaiveDate;
use clap::Args;
use comfy_table::Table;
use proto::pass::v1::{
    CoPresence as Answer, FindCoPresenceRequest, ListCoPresenceQueriesRequest,
    co_presence_service_client::CoPresenceServiceClient,
};

use crate::{
    desk::{
        ask::{Act, Paging},
        typed,
    },
    output::{local_time, print, table},
};

/// Either a question or what was asked.
#[derive(Args)]
pub struct CoPresence {
    /// The confirmed case, as `mifeng confirmed-case list` shows it
    #[arg(value_parser = typed::name("confirmed-cases"), required_unless_present = "log")]
    case: Option<String>,
    /// Why you ask; it stays on record
    #[arg(long, value_name = "REASON", required_unless_present = "log")]
    because: Option<String>,
    /// By default the first day on which the case was infectious
    #[arg(long, value_parser = typed::date, value_name = "DAY")]
    from: Option<NaiveDate>,
    /// By default the last day
    #[arg(long, value_parser = typed::date, value_name = "DAY")]
    to: Option<NaiveDate>,
    /// Within so many minutes, at most 30; by default 30
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=30))]
    minutes: Option<i32>,
    /// Who asked, about which case, why, and how many people they saw; asks nothing itself
    #[arg(long, conflicts_with_all = ["because", "from", "to", "minutes"])]
    log: bool,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    act: Act,
}

impl CoPresence {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        if self.log {
            return self.log().await;
        }
        let day = |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
        let request = FindCoPresenceRequest {
            request_id: String::new(),
            case: self.case.unwrap_or_default(),
            from: day(self.from),
            to: day(self.to),
            minutes: self.minutes.unwrap_or_default(),
            reason: self.because.unwrap_or_default(),
        };
        let found = self.act.send(async |connection, request_id| {
            let request = FindCoPresenceRequest { request_id, ..request };
            CoPresenceServiceClient::new(connection).find_co_presence(request).await
        });
        let found = found.await?;
        if self.act.ask.output.is_json() {
            return self.act.show(&found);
        }
        print(&rows(&found).to_string())?;
        print(&counted(&found))
    }

    async fn log(self) -> anyhow::Result<()> {
        let parent = self.case.unwrap_or_default();
        let mut client = CoPresenceServiceClient::new(self.act.ask.connection()?);
        let all = self.paging.collect(async |page_size, page_token| {
            let request = ListCoPresenceQueriesRequest { parent: parent.clone(), page_size, page_token };
            let page = client.list_co_presence_queries(request).await?.into_inner();
            Ok((page.queries, page.next_page_token))
        });
        let columns = ["time", "asked_by", "unit", "case", "from", "to", "reason", "people", "nameless"];
        self.act.ask.list(&all.await?, &columns)
    }
}

fn rows(found: &Answer) -> Table {
    let mut table = table();
    table.set_header(["resident", "household", "meetings", "closest", "the case", "minutes apart", "gate"]);
    for contact in &found.contacts {
        table.add_row([
            contact.resident.clone(),
            contact.household.clone(),
            contact.meetings.to_string(),
            local_time(contact.cross_time.as_ref()),
            local_time(contact.case_cross_time.as_ref()),
            (contact.apart_seconds / 60).to_string(),
            contact.gate.clone(),
        ]);
    }
    table
}

fn counted(found: &Answer) -> String {
    let query = found.query.clone().unwrap_or_default();
    format!(
        "{} people within {} minutes of {} crossings of {} from {} to {}; {} crossings more name nobody\non record as {}",
        query.people, query.minutes, query.crossings, found.resident, query.from, query.to, query.nameless, query.name
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        asked: CoPresence,
    }

    fn typed(words: &str) -> Option<CoPresence> {
        Typed::try_parse_from(["co-presence"].into_iter().chain(words.split_whitespace())).ok().map(|typed| typed.asked)
    }

    #[test]
    fn a_question_has_a_case_and_a_reason_and_the_log_has_neither() {
        assert!(typed("019c --because 流调7号").is_some());
        assert!(typed("019c").is_none());
        assert!(typed("--because 流调7号").is_none());
        assert!(typed("--log").is_some_and(|asked| asked.case.is_none()));
        assert!(typed("--log 019c").is_some_and(|asked| asked.case.is_some()));
        assert!(typed("--log --because 流调7号").is_none());
        assert!(typed("019c --because 流调7号 --minutes 31").is_none());
    }
}
