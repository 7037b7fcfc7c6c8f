//! Numbers and codes as people say them, and what a worker reads off a phone or a paper.

use chassis::Fields;
use chrono::{DateTime, Utc};
use proto::screening::v1::{
    self, EvidenceKind, Source, case_event::EvidenceRecorded, record_evidence_request::Content, ticket::Mode,
};
use tonic::Status;

use super::{ANSWER, PLACE, in_order, not_in_future, visits_within};

/// A wish for a code.
pub(in crate::api) struct CodeRequest {
    pub(in crate::api) case: String,
    pub(in crate::api) phone: i32,
    /// Eleven digits.
    pub(in crate::api) number: String,
    pub(in crate::api) source: Source,
}

/// What was read off a phone or a paper.
pub(in crate::api) struct Entered {
    pub(in crate::api) case: String,
    /// Without its id, its recorder and what is sealed.
    pub(in crate::api) recorded: EvidenceRecorded,
    pub(in crate::api) content: Content,
}

pub(in crate::api) fn code_request(request: &v1::RequestCodeRequest) -> Result<CodeRequest, Status> {
    let mut fields = Fields::new();
    let case = fields.name("case", "cases", &request.case);
    let source = fields.one_of::<Source>("source", request.source);
    let number = mobile_number(&request.number);
    fields.check(
        "number",
        number.is_some(),
        "需要 11 位的手机号码：请本人再读一遍",
        "must be a mobile number of 11 digits: have the person say it again",
    );
    let phone = request.phone;
    let read = case.zip(source).zip(number);
    fields.read(read.map(|((case, source), number)| CodeRequest { case, phone, number, source }))
}

/// The id of the case.
pub(in crate::api) fn scan_request(request: &v1::ScanNumberRequest) -> Result<String, Status> {
    let mut fields = Fields::new();
    let case = fields.name("case", "cases", &request.case);
    fields.one_of::<Source>("source", request.source);
    let code = request.code.trim();
    fields.check(
        "code",
        (4..=8).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit()),
        "需要短信里的 4 至 8 位数字：请本人再读一遍",
        "must be the 4 to 8 digits of the message: have the person read them again",
    );
    fields.read(case)
}

pub(in crate::api) fn evidence(request: v1::RecordEvidenceRequest, now: DateTime<Utc>) -> Result<Entered, Status> {
    let mut fields = Fields::new();
    let case = fields.name("case", "cases", &request.case);
    let kind = fields.one_of::<EvidenceKind>("kind", request.kind).unwrap_or_default();
    let mut recorded = EvidenceRecorded { kind: kind.into(), ..EvidenceRecorded::default() };
    match &request.content {
        Some(Content::Page(page)) => {
            belongs(&mut fields, matches!(kind, EvidenceKind::CarrierPage | EvidenceKind::NationalCard));
            read_page(&mut fields, page, now, &mut recorded);
        }
        Some(Content::Ticket(ticket)) => {
            belongs(&mut fields, kind == EvidenceKind::Ticket);
            read_ticket(&mut fields, ticket, now, &mut recorded);
        }
        Some(Content::Proof(proof)) => {
            belongs(&mut fields, matches!(kind, EvidenceKind::Workplace | EvidenceKind::Lodging));
            fields.required("proof.place", &proof.place, PLACE);
            fields.required("proof.issuer", &proof.issuer, ANSWER);
            let from = fields.date("proof.from", &proof.from);
            let to = fields.date("proof.to", &proof.to);
            in_order(&mut fields, "proof.to", from, to);
            not_in_future(&mut fields, "proof.to", to.max(from), now);
            (recorded.window_from, recorded.window_to) = (proof.from.clone(), proof.to.clone());
        }
        None => fields.refuse(
            "content",
            "缺少内容：请填写手机显示的行程、车票或证明",
            "is missing: give what the phone shows, a ticket or a proof",
        ),
    }
    fields.read(case.zip(request.content).map(|(case, content)| Entered { case, recorded, content }))
}

/// A page is typed with its source and its window, as a scan is.
fn read_page(fields: &mut Fields, page: &v1::Page, now: DateTime<Utc>, recorded: &mut EvidenceRecorded) {
    fields.one_of::<Source>("page.source", page.source);
    let from = fields.date("page.window_from", &page.window_from);
    let to = fields.date("page.window_to", &page.window_to);
    in_order(fields, "page.window_to", from, to);
    not_in_future(fields, "page.window_to", to, now);
    let visits = page.itinerary.as_ref().map_or(&[][..], |itinerary| &itinerary.visits);
    visits_within(fields, "page.itinerary.visits", visits, (from, to));
    recorded.source = page.source;
    recorded.phone = page.phone;
    (recorded.window_from, recorded.window_to) = (page.window_from.clone(), page.window_to.clone());
}

fn read_ticket(fields: &mut Fields, ticket: &v1::Ticket, now: DateTime<Utc>, recorded: &mut EvidenceRecorded) {
    fields.one_of::<Mode>("ticket.mode", ticket.mode);
    fields.required("ticket.from", &ticket.from, PLACE);
    fields.required("ticket.to", &ticket.to, PLACE);
    fields.at_most("ticket.number", &ticket.number, PLACE);
    let day = fields.date("ticket.day", &ticket.day);
    let arrival = fields.date_if_given("ticket.arrival_day", &ticket.arrival_day);
    in_order(fields, "ticket.arrival_day", day, arrival);
    not_in_future(fields, "ticket.day", day.max(arrival), now);
    let arrival = if ticket.arrival_day.is_empty() { &ticket.day } else { &ticket.arrival_day };
    (recorded.window_from, recorded.window_to) = (ticket.day.clone(), arrival.clone());
}

fn belongs(fields: &mut Fields, belongs: bool) {
    fields.check(
        "kind",
        belongs,
        "与内容不符：手机页面、车票、证明各有各的种类",
        "does not fit the content: a page, a ticket and a proof are of kinds of their own",
    );
}

/// As said, with blanks, dashes or the country's prefix.
fn mobile_number(said: &str) -> Option<String> {
    let bare: String = said.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').collect();
    let number = bare.strip_prefix("+86").or_else(|| bare.strip_prefix("0086")).unwrap_or(&bare);
    let valid = number.len() == 11 && number.starts_with('1') && number.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| number.to_owned())
}

#[cfg(test)]
mod tests {
    use chassis::refusal::Spoken;
    use proto::screening::v1::{Attestation, Itinerary, Page, RecordEvidenceRequest, Ticket, Visit};

    use super::*;

    fn entered(kind: EvidenceKind, content: Content) -> Vec<String> {
        let request = RecordEvidenceRequest {
            case: "cases/c1".to_owned(),
            kind: kind.into(),
            content: Some(content),
            ..RecordEvidenceRequest::default()
        };
        let now = "2020-02-11T06:00:00Z".parse().unwrap();
        match evidence(request, now) {
            Ok(_) => Vec::new(),
            Err(status) => Spoken::from(&status).fields.into_iter().map(|field| field.field).collect(),
        }
    }

    fn ticket(day: &str, arrival_day: &str) -> Content {
        Content::Ticket(Ticket {
            mode: Mode::Train.into(),
            from: "武汉".to_owned(),
            to: "宁波".to_owned(),
            day: day.to_owned(),
            arrival_day: arrival_day.to_owned(),
            number: "G590".to_owned(),
        })
    }

    #[test]
    fn a_ticket_has_days_that_have_come_and_arrives_after_it_leaves() {
        assert!(entered(EvidenceKind::Ticket, ticket("2020-01-22", "")).is_empty());
        assert_eq!(entered(EvidenceKind::Ticket, ticket("2020-01-22", "2020-01-21")), ["ticket.arrival_day"]);
        assert_eq!(entered(EvidenceKind::Ticket, ticket("2020-02-12", "")), ["ticket.day"]);
        assert_eq!(entered(EvidenceKind::Workplace, ticket("2020-01-22", "")), ["kind"]);
    }

    #[test]
    fn a_page_has_its_source_and_its_window_and_a_proof_its_issuer() {
        let visit = Visit {
            place: "武汉".to_owned(),
            first: "2020-01-20".to_owned(),
            last: "2020-01-29".to_owned(),
            hours: None,
        };
        let page = Content::Page(Page {
            source: 0,
            phone: 1,
            window_from: "2020-01-28".to_owned(),
            window_to: "2020-02-10".to_owned(),
            itinerary: Some(Itinerary { visits: vec![visit] }),
        });
        assert_eq!(entered(EvidenceKind::NationalCard, page), ["page.source", "page.itinerary.visits[0].first"]);
        let proof = Attestation {
            place: "宁波".to_owned(),
            from: "2020-01-20".to_owned(),
            to: "2020-02-01".to_owned(),
            issuer: " ".to_owned(),
        };
        assert_eq!(entered(EvidenceKind::Workplace, Content::Proof(proof)), ["proof.issuer"]);
    }

    #[test]
    fn a_number_is_taken_as_people_say_it() {
        for said in ["13800001234", "138 0000 1234", "+86 138-0000-1234"] {
            assert_eq!(mobile_number(said).as_deref(), Some("13800001234"), "{said}");
        }
        for said in ["", "1380000123", "23800001234", "0574-87654321", "1380000123x"] {
            assert_eq!(mobile_number(said), None, "{said}");
        }
    }
}
