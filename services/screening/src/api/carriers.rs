//! A code is asked for, read out, and the carrier asked; what is missing is shown. Numbers and codes are compared and sealed,
//! and go nowhere else.

use std::sync::Arc;

use chassis::{Call, Failure, call::POSITION, page, timestamp};
use chrono::{DateTime, TimeDelta, Utc};
use proto::screening::v1::{
    self, Inquiry as Shown, NumberInquiry, Permission, Source,
    carrier_service_server::CarrierService,
    inquiry_event::{CodeNotSent, CodeSent, Event},
    number_inquiry::State,
};
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use super::{fields, methods::fault};
use crate::{
    assessor,
    carriers::carrier::{Sent, Trouble},
    domain::{
        case::{Case, is_paper},
        inquiry::{Inquiry, Number, Refused},
    },
    projections::waiting,
    register::Register,
    scanning::{Question, Scanner, about, refused},
};

#[derive(Clone)]
pub(crate) struct CarrierApi {
    scanner: Arc<Scanner>,
    register: Register,
}

#[tonic::async_trait]
impl CarrierService for CarrierApi {
    async fn request_code(&self, request: Request<v1::RequestCodeRequest>) -> Result<Response<Shown>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let (metadata, _, message) = request.into_parts();
        let asked = fields::code_request(&message)?;
        let ledger = self.scanner.ledger();
        ledger.settle(&call.after).await;
        let (case, _) = self.scanner.api.case_in_reach(&call, &asked.case).await?;
        if ledger.done_before::<()>(&call).await?.is_some() {
            return self.done(&call, &asked.case).await;
        }
        case.accepts(asked.phone).map_err(assessor::refused)?;
        if self.scanner.carriers.of(asked.source).is_none() {
            return Err(refused(Refused::NotConfigured).into());
        }
        let resident = about(&case).resident;
        self.register.check(&call, &metadata, resident, &asked.number).await?;
        self.is_free(&asked, &case).await?;
        let (this, case_id) = (self.clone(), asked.case.clone());
        let whole = call.clone();
        // Whoever hangs up while the carrier sends a code must not leave it without a record.
        let sending = async move { this.send_code(&whole, asked, &case).await };
        let sent = tokio::spawn(sending.in_current_span()).await;
        sent.map_err(|error| fault(anyhow::Error::new(error).context("asking for a code")))??;
        self.done(&call, &case_id).await
    }

    async fn scan_number(&self, request: Request<v1::ScanNumberRequest>) -> Result<Response<Shown>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let message = request.into_inner();
        let case_id = fields::scan_request(&message)?;
        self.scanner.ledger().settle(&call.after).await;
        let (this, whole, id) = (self.clone(), call.clone(), case_id.clone());
        let scanning = async move { this.scan(&whole, &id, &message).await };
        let scanned = tokio::spawn(scanning.in_current_span()).await;
        scanned.map_err(|error| fault(anyhow::Error::new(error).context("asking a carrier")))??;
        self.done(&call, &case_id).await
    }

    async fn get_inquiry(&self, request: Request<v1::GetInquiryRequest>) -> Result<Response<Shown>, Status> {
        let call = Call::query(&request)?;
        let case_id = fields::name("case", "cases", &request.into_inner().case)?;
        self.shown(&call, &case_id).await
    }

    async fn list_waiting_numbers(
        &self,
        request: Request<v1::ListWaitingNumbersRequest>,
    ) -> Result<Response<v1::ListWaitingNumbersResponse>, Status> {
        let call = Call::query(&request)?;
        let v1::ListWaitingNumbersRequest { parent, page_size, page_token } = request.into_inner();
        let compound = if parent.is_empty() { String::new() } else { fields::name("parent", "compounds", &parent)? };
        let (after, size) = (page::after(&page_token)?, page::size(page_size));
        let mut db = self.scanner.api.views().read(&call).await?;
        let found = waiting::list(&mut db, &call.principal.scope, &compound, &after, size + 1).await;
        let mut numbers = found.map_err(fault)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = numbers.len() > size;
        numbers.truncate(size);
        let key = |number: &NumberInquiry| number.case.strip_prefix("cases/").map(|id| waiting::key(id, number.phone));
        let last = numbers.last().and_then(key).filter(|_| more);
        let next_page_token = last.map(|key| page::token_after(&key)).unwrap_or_default();
        Ok(Response::new(v1::ListWaitingNumbersResponse { numbers, next_page_token }))
    }

    async fn record_evidence(&self, request: Request<v1::RecordEvidenceRequest>) -> Result<Response<v1::Case>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.scanner.api.enter(&call, request.into_inner()).await
    }

    async fn list_evidence(
        &self,
        request: Request<v1::ListEvidenceRequest>,
    ) -> Result<Response<v1::ListEvidenceResponse>, Status> {
        let call = Call::query(&request)?;
        self.scanner.api.evidence(&call, &request.into_inner().case).await
    }
}

impl CarrierApi {
    pub(crate) fn new(scanner: Arc<Scanner>, register: Register) -> Self {
        Self { scanner, register }
    }

    /// R5: each of the numbers is another one. A number that was scanned keeps its place.
    async fn is_free(&self, asked: &fields::CodeRequest, case: &Case) -> Result<(), Failure> {
        let (inquiry, _) = self.scanner.ledger().load::<Inquiry>(&asked.case).await?;
        for (phone, number) in inquiry.numbers() {
            let Some(sealed) = number.permission() else { continue };
            let known: Permission = self.scanner.vault().reveal(sealed).await?.unwrap_or_default();
            let same = known.number == asked.number;
            let scanned = case.evidence().iter().any(|scan| scan.phone == phone);
            if (same && phone != asked.phone) || (!same && phone == asked.phone && scanned) {
                return Err(refused(Refused::Taken { phone }));
            }
        }
        Ok(())
    }

    async fn send_code(&self, call: &Call, asked: fields::CodeRequest, case: &Case) -> Result<(), Status> {
        let Some(carrier) = self.scanner.carriers.of(asked.source) else { return Ok(()) };
        let answer = carrier.send_code(&asked.number).await;
        let about = about(case);
        let compound_id = case.residence().map(|residence| residence.compound_id.clone()).unwrap_or_default();
        let (phone, source, by) = (asked.phone, asked.source.into(), call.principal.subject.clone());
        let now = self.scanner.clock.now();
        let event = match answer {
            Ok(Sent::Code { ticket, holds }) => {
                let permission = Permission { number: asked.number, ticket, code: String::new() };
                let end = now + TimeDelta::from_std(holds).unwrap_or_default();
                Event::CodeSent(CodeSent {
                    phone,
                    source,
                    permission_id: call.id("permission"),
                    permission: Some(self.scanner.vault().seal(about.resident, &permission).await?),
                    end_time: Some(timestamp(end)),
                    by,
                    compound_id,
                    place_since: case.place_since(phone).to_owned(),
                })
            }
            Ok(Sent::Nobody(why)) => {
                let time = Some(timestamp(now));
                let no_data = why.into();
                Event::CodeNotSent(CodeNotSent { phone, source, time, by, compound_id, no_data, ..Default::default() })
            }
            Err(trouble) => {
                let Trouble { kind, detail, .. } = &trouble;
                tracing::warn!(carrier = asked.source.as_str_name(), %trouble, "a carrier has sent no code");
                Event::CodeNotSent(CodeNotSent {
                    phone,
                    source,
                    trouble: (*kind).into(),
                    detail: detail.clone(),
                    time: Some(timestamp(now)),
                    by,
                    compound_id,
                    no_data: 0,
                })
            }
        };
        let decide = |inquiry: &Inquiry, _| match &event {
            Event::CodeSent(sent) => inquiry.code_sent(about, sent),
            Event::CodeNotSent(told) => inquiry.code_not_sent(about, told),
            _ => Err(Refused::Stale),
        };
        self.scanner.ledger().transact(call, &asked.case, decide, |_: &Inquiry, _| ()).await?;
        Ok(())
    }

    async fn scan(&self, call: &Call, case_id: &str, request: &v1::ScanNumberRequest) -> Result<(), Status> {
        let ledger = self.scanner.ledger();
        let (case, _) = self.scanner.api.case_in_reach(call, case_id).await?;
        // Said again: what came of it is on record.
        for done in ["evidence", "tried"] {
            let done = call.derive(done);
            if ledger.log().find_command(&done.command_id).await.map_err(Failure::from)?.is_some() {
                ledger.done_before::<()>(&done).await.map(drop).or_else(only_reused)?;
                return Ok(());
            }
        }
        case.accepts(request.phone).map_err(assessor::refused)?;
        let source = request.source();
        if self.scanner.carriers.of(source).is_none() {
            return Err(refused(Refused::NotConfigured).into());
        }
        let (inquiry, _) = ledger.load::<Inquiry>(case_id).await?;
        let now = self.scanner.clock.now();
        let number = inquiry.permitted(request.phone, source, now).map_err(refused)?;
        let Some(sealed) = number.permission() else { return Err(refused(Refused::NoCode).into()) };
        let known: Option<Permission> = self.scanner.vault().reveal(sealed).await?;
        let Some(known) = known else { return Err(assessor::refused(crate::domain::case::Refused::Erased).into()) };
        let permission = Permission { code: request.code.trim().to_owned(), ..known };
        let question =
            Question { case_id, case: &case, phone: request.phone, number, permission: &permission, fresh: true };
        self.scanner.ask(call, &question).await
    }

    /// As it is now, with the position that lets the caller read its own write.
    async fn done(&self, call: &Call, case_id: &str) -> Result<Response<Shown>, Status> {
        let log = self.scanner.ledger().log();
        let position = format!("{}={}", log.name(), log.head().await.map_err(Failure::from)?.position);
        let mut shown = self.shown(call, case_id).await?;
        if let Ok(position) = position.parse() {
            shown.metadata_mut().insert(POSITION, position);
        }
        Ok(shown)
    }

    /// The case with its verdict, and each number.
    async fn shown(&self, call: &Call, case_id: &str) -> Result<Response<Shown>, Status> {
        let (case, _) = self.scanner.api.case_in_reach(call, case_id).await?;
        let (inquiry, _) = self.scanner.ledger().load::<Inquiry>(case_id).await?;
        let now = self.scanner.clock.now();
        let number = |phone| NumberInquiry {
            case: format!("cases/{case_id}"),
            ..number_of(&case, phone, inquiry.number(phone), now)
        };
        let numbers = (1..=case.phones()).map(number).collect();
        let shown = self.scanner.api.shown_case(call, case_id).await?;
        Ok(Response::new(Shown { case: Some(shown), numbers }))
    }
}

/// What the case knows of a number outweighs what its carrier owes.
fn number_of(case: &Case, phone: i32, number: Option<&Number>, now: DateTime<Utc>) -> NumberInquiry {
    let scans = || case.evidence().iter().filter(|scan| scan.phone == phone && !is_paper(scan));
    let seen = scans().find(|scan| scan.itinerary.is_some());
    let unknown = scans().next_back();
    let default = Number::default();
    let number = number.unwrap_or(&default);
    let over = number.end().is_some_and(|end| end <= now);
    let asked = match number.state() {
        State::CodeSent | State::Waiting if over => State::AskAgain,
        State::Unspecified => State::NotAsked,
        // Only what stands in the case is a scan.
        State::Scanned => State::AskAgain,
        state => state,
    };
    let (state, source): (State, Source) = match (seen, asked, unknown) {
        (Some(scan), ..) => (State::Scanned, scan.source()),
        (None, State::CodeSent | State::Waiting, _) => (asked, number.source()),
        (None, _, Some(scan)) => (State::NoData, scan.source()),
        (None, ..) => (asked, number.source()),
    };
    let open = matches!(state, State::Waiting | State::AskAgain);
    let no_data = match (state, unknown) {
        (State::NoData, Some(scan)) => scan.no_data,
        (State::AskAgain, _) => number.no_data().into(),
        _ => 0,
    };
    NumberInquiry {
        phone,
        state: state.into(),
        source: source.into(),
        trouble: if open { number.trouble().into() } else { 0 },
        detail: if open { number.detail().to_owned() } else { String::new() },
        no_data,
        tries: number.tries(),
        last_try_time: number.last().map(timestamp),
        next_try_time: number.next().filter(|_| state == State::Waiting).map(timestamp),
        permission_end_time: number.end().map(timestamp),
        case: String::new(),
    }
}

/// The same id with other content is refused; whatever else was stored there is of no interest.
fn only_reused(failure: Failure) -> Result<(), Failure> {
    if matches!(failure, Failure::Reused) { Err(failure) } else { Ok(()) }
}
