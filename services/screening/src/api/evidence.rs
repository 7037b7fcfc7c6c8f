//! What a worker enters: a page on the person's phone, which is a scan of that number, or a paper, which supports. And all the
//! evidence of a case, shown.

use std::sync::Arc;

use chassis::{Call, day_of};
use proto::{
    access::v1::Role,
    screening::v1::{
        self, EvidenceKind, Itinerary, Paper, Visit, case_event::EvidenceRecorded, paper,
        record_evidence_request::Content,
    },
};
use tonic::{Response, Status};

use super::{
    Api,
    cases::{Prepared, resident},
    fields,
};
use crate::{
    assessor::{Addition, refused},
    domain::case::Case,
};

impl Api {
    pub(crate) async fn enter(
        &self,
        call: &Call,
        request: v1::RecordEvidenceRequest,
    ) -> Result<Response<v1::Case>, Status> {
        let by = call.principal.subject.clone();
        let entered = fields::evidence(request, call.now)?;
        let recorded = EvidenceRecorded { evidence_id: call.id("evidence"), by, ..entered.recorded };
        match entered.content {
            Content::Page(page) => {
                self.record_scan(call, &entered.case, &recorded, page.itinerary.as_ref(), None).await
            }
            Content::Ticket(ticket) => {
                let visits = stations(&ticket);
                let paper = Paper { paper: Some(paper::Paper::Ticket(ticket)) };
                self.file(call, &entered.case, &recorded, &paper, visits).await
            }
            Content::Proof(proof) => {
                let (place, first, last) = (proof.place.clone(), proof.from.clone(), proof.to.clone());
                let visits = vec![Visit { place, first, last, hours: None }];
                let paper = Paper { paper: Some(paper::Paper::Proof(proof)) };
                self.file(call, &entered.case, &recorded, &paper, visits).await
            }
        }
    }

    /// Once there is a verdict it is given again with the paper, for the same day.
    async fn file(
        &self,
        call: &Call,
        case_id: &str,
        recorded: &EvidenceRecorded,
        paper: &Paper,
        visits: Vec<Visit>,
    ) -> Result<Response<v1::Case>, Status> {
        if let Some(done) = self.ledger.done_before::<v1::Case>(call).await? {
            return self.answer(call, case_id, done).await;
        }
        let itinerary = &Itinerary { visits };
        let prepare = |case: Arc<Case>| async move {
            case.takes_papers().map_err(refused)?;
            let mut evidence = recorded.clone();
            evidence.itinerary = Some(self.vault.seal(resident(&case), itinerary).await?);
            evidence.paper = Some(self.vault.seal(resident(&case), paper).await?);
            let mut verdict = None;
            if let Some(known) = case.verdict() {
                let as_of = known.as_of.parse().unwrap_or_else(|_| day_of(call.now));
                let addition = Addition { scan: Some((&evidence, Some(itinerary))), struck: &[] };
                verdict = Some(self.judge(call, &case, addition, as_of).await?);
            }
            Ok(Box::new(move |case: &Case| case.file(&evidence, verdict.as_ref())) as Prepared)
        };
        self.decide(call, case_id, prepare).await
    }

    /// Whoever may not see people sees who entered what, and when it reaches back to.
    pub(crate) async fn evidence(&self, call: &Call, name: &str) -> Result<Response<v1::ListEvidenceResponse>, Status> {
        let case_id = fields::name("case", "cases", name)?;
        let (case, _) = self.case_in_reach(call, &case_id).await?;
        let may_see = matches!(call.principal.role, Role::Worker | Role::Director | Role::Health);
        let mut evidence = Vec::with_capacity(case.evidence().len());
        for recorded in case.evidence() {
            let kind = match recorded.kind() {
                EvidenceKind::Unspecified => EvidenceKind::Carrier,
                kind => kind,
            };
            let mut shown = v1::Evidence {
                evidence_id: recorded.evidence_id.clone(),
                kind: kind.into(),
                source: recorded.source,
                phone: recorded.phone,
                window_from: recorded.window_from.clone(),
                window_to: recorded.window_to.clone(),
                no_data: recorded.no_data,
                by: recorded.by.clone(),
                ..v1::Evidence::default()
            };
            if let (true, Some(sealed)) = (may_see, &recorded.itinerary) {
                shown.itinerary = self.vault.reveal(sealed).await?;
            }
            if let (true, Some(sealed)) = (may_see, &recorded.paper) {
                shown.paper = self.vault.reveal(sealed).await?;
            }
            evidence.push(shown);
        }
        Ok(Response::new(v1::ListEvidenceResponse { evidence }))
    }

    /// A case as `GetCase` shows it.
    pub(crate) async fn shown_case(&self, call: &Call, case_id: &str) -> Result<v1::Case, Status> {
        self.case(call, &format!("cases/{case_id}")).await.map(Response::into_inner)
    }
}

/// A ticket proves where somebody was on the day of leaving, and where on the day of arriving.
fn stations(ticket: &v1::Ticket) -> Vec<Visit> {
    let arrival = if ticket.arrival_day.is_empty() { &ticket.day } else { &ticket.arrival_day };
    let at = |place: &str, day: &str| Visit {
        place: place.to_owned(),
        first: day.to_owned(),
        last: day.to_owned(),
        hours: None,
    };
    vec![at(&ticket.from, &ticket.day), at(&ticket.to, arrival)]
}
