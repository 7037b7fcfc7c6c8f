//! What people decide about names that no table knows: decided, confirmed by another unit, taken back, shown.

use chassis::{Call, Decision, Failure, Fields, page};
use proto::{
    Fact as _,
    screening::v1::{
        self, NameDecision, Words, name_decision,
        vocabulary_event::{Confirmed, Decided, Event, TakenBack},
        vocabulary_service_server::VocabularyService,
    },
};
use tonic::{Request, Response, Status};

use super::{Api, fields, methods::fault};
use crate::{
    domain::{
        rescreening::Rescreening,
        vocabulary::{Known, Refused, STREAM, Vocabulary, not_found},
    },
    projections::vocabulary as decisions,
    rescreening::run_of,
};

/// Codes of one network.
const CODES: usize = 50;

#[tonic::async_trait]
impl VocabularyService for Api {
    async fn decide_name(&self, request: Request<v1::DecideNameRequest>) -> Result<Response<NameDecision>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let decided = decided(&call, request.get_ref())?;
        let id = decided.decision_id.clone();
        self.change_words(&call, &id, |vocabulary| vocabulary.decide(&decided)).await
    }

    async fn confirm_name(&self, request: Request<v1::ConfirmNameRequest>) -> Result<Response<NameDecision>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let id = fields::name("name", "decisions", &request.get_ref().name)?;
        let confirmed = Confirmed {
            decision_id: id.clone(),
            by: call.principal.subject.clone(),
            unit: call.principal.unit.clone(),
        };
        self.change_words(&call, &id, |vocabulary| vocabulary.confirm(&confirmed)).await
    }

    async fn take_back_name(
        &self,
        request: Request<v1::TakeBackNameRequest>,
    ) -> Result<Response<NameDecision>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("name", "decisions", &request.name);
        let reason = fields.required("reason", &request.reason, fields::ANSWER).to_owned();
        let id = fields.read(id)?;
        let taken = TakenBack {
            decision_id: id.clone(),
            reason,
            by: call.principal.subject.clone(),
            unit: call.principal.unit.clone(),
        };
        self.change_words(&call, &id, |vocabulary| vocabulary.take_back(&taken)).await
    }

    async fn list_name_decisions(
        &self,
        request: Request<v1::ListNameDecisionsRequest>,
    ) -> Result<Response<v1::ListNameDecisionsResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        if request.words != 0 {
            fields.one_of::<Words>("words", request.words);
        }
        if request.state != 0 {
            fields.one_of::<name_decision::State>("state", request.state);
        }
        fields.done()?;
        let before = page::after(&request.page_token)?.parse().unwrap_or(i64::MAX);
        let size = page::size(request.page_size);
        let mut db = self.views.read(&call).await?;
        let found = decisions::list(&mut db, (request.words, request.state), before, size + 1).await;
        let mut found = found.map_err(fault)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = found.len() > size;
        found.truncate(size);
        let last = found.last().map(|(number, _)| number).filter(|_| more);
        let next_page_token = last.map(|number| page::token_after(&number.to_string())).unwrap_or_default();
        let decisions = found.into_iter().map(|(_, decision)| decision).collect();
        Ok(Response::new(v1::ListNameDecisionsResponse { decisions, next_page_token }))
    }

    /// Folded from the record up to the sequence, so that what is shown is what the verdict was read with.
    async fn get_vocabulary(
        &self,
        request: Request<v1::GetVocabularyRequest>,
    ) -> Result<Response<v1::Vocabulary>, Status> {
        let call = Call::query(&request)?;
        // Who has just confirmed sees it, whichever replica answers.
        drop(self.views.read(&call).await?);
        let asked = request.into_inner().sequence;
        let mut vocabulary = Vocabulary::default();
        for record in self.ledger.log().read_stream(Event::CATEGORY, STREAM, 0).await.map_err(Failure::from)? {
            if asked > 0 && record.version > u64::try_from(asked).unwrap_or_default() {
                break;
            }
            let event = Event::from_payload(&record.payload).map_err(anyhow::Error::from).map_err(fault)?;
            chassis::Aggregate::evolve(&mut vocabulary, &event);
        }
        let sequence = vocabulary.sequence();
        if asked < 0 || (asked > 0 && asked != sequence) {
            return Err(not_found().into());
        }
        let mut shown: Vec<NameDecision> = vocabulary.in_force().map(resource).collect();
        shown.sort_by(|one, other| (one.words, &one.spelling).cmp(&(other.words, &other.spelling)));
        let (run, _) = self.ledger.load::<Rescreening>(&run_of(sequence)).await?;
        Ok(Response::new(v1::Vocabulary {
            sequence,
            decisions: shown,
            judged: run.count().done,
            changed: run.count().changed,
            done: sequence == 0 || run.completed().is_some(),
        }))
    }
}

impl Api {
    async fn change_words<D>(&self, call: &Call, id: &str, decide: D) -> Result<Response<NameDecision>, Status>
    where
        D: Fn(&Vocabulary) -> Result<Decision<Event>, Refused> + Send + Sync,
    {
        let reply = |vocabulary: &Vocabulary, _| vocabulary.find(id).map(resource).unwrap_or_default();
        let decide = |vocabulary: &Vocabulary, _| decide(vocabulary);
        let done = self.ledger.transact::<Vocabulary, NameDecision, _, _, _>(call, STREAM, decide, reply).await?;
        // What hangs on the name is judged at once.
        self.published.notify_one();
        Ok(done.into_response())
    }
}

fn decided(call: &Call, request: &v1::DecideNameRequest) -> Result<Decided, Status> {
    let mut fields = Fields::new();
    fields.one_of::<Words>("words", request.words);
    let spelling = fields.required("spelling", &request.spelling, fields::PLACE).to_owned();
    fields.check(
        "codes",
        request.no_place == request.codes.is_empty(),
        "请填写代码，或选择“不是地名”，二者只能选其一",
        "are given, or no_place is set: one of the two",
    );
    fields.check(
        "codes",
        request.codes.len() <= CODES,
        format!("最多 {CODES} 个代码"),
        format!("has more than {CODES} entries"),
    );
    fields.done()?;
    let mut codes: Vec<String> = request.codes.iter().map(|code| code.trim().to_owned()).collect();
    codes.sort_unstable();
    codes.dedup();
    Ok(Decided {
        decision_id: call.id("decision"),
        words: request.words,
        spelling,
        codes,
        by: call.principal.subject.clone(),
        unit: call.principal.unit.clone(),
    })
}

fn resource(known: &Known) -> NameDecision {
    let signature = |by: &str, unit: &str| Some(v1::Signature { by: by.to_owned(), unit: unit.to_owned() });
    NameDecision {
        name: format!("decisions/{}", known.decided.decision_id),
        words: known.decided.words,
        spelling: known.decided.spelling.clone(),
        codes: known.decided.codes.clone(),
        no_place: known.decided.codes.is_empty(),
        state: known.standing().into(),
        decided: signature(&known.decided.by, &known.decided.unit),
        confirmed: known.confirmed.as_ref().and_then(|confirmed| signature(&confirmed.by, &confirmed.unit)),
        taken_back: known.taken_back.as_ref().and_then(|taken| signature(&taken.by, &taken.unit)),
        reason: known.taken_back.as_ref().map(|taken| taken.reason.clone()).unwrap_or_default(),
        from_sequence: known.from,
        to_sequence: known.to,
        decide_time: None,
        change_time: None,
    }
}
