//! Many passes at once: all that a key has signed since an hour, all that a compound was issued before one.

use chassis::{Call, Decision, Fields, Refuse as _, instant};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use proto::pass::v1::{
    self, CompoundRecall, ConfirmKeyRecallRequest, DeclineKeyRecallRequest, KeyRecall, LiftCompoundRecallRequest,
    ListRecallsRequest, ListRecallsResponse, RecallCompoundRequest, RecallKeyRequest, RecallReason, key_recall,
    keyring_event::{Event, RecallProposed},
    recall_event::{self, Lifted, Recalled},
    recall_service_server::RecallService,
};
use tonic::{Request, Response, Status};

use super::{Api, taking::evidence};
use crate::domain::{
    keyring::{self, Keyring, STREAM, Signatory},
    recall::{self, Recall},
};

/// Compounds that a list has room for.
const ROOM: usize = 255;

#[tonic::async_trait]
impl RecallService for Api {
    async fn recall_key(&self, request: Request<RecallKeyRequest>) -> Result<Response<KeyRecall>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let reason = fields.one_of::<RecallReason>("reason", request.reason);
        let evidence_ids = evidence(&mut fields, Some(v1::Reason::Unspecified), &request.evidence_ids);
        let from = hour(&mut fields, "signed_from", request.signed_from.as_ref(), call.now);
        let (reason, from) = fields.read(reason.zip(from))?;
        let proposed = RecallProposed {
            key_id: request.key,
            signed_from: Some(chassis::timestamp(from)),
            reason: reason.into(),
            evidence_ids,
            by: call.principal.subject.clone(),
            unit: call.principal.unit.clone(),
        };
        self.change_keys(&call, key_id(request.key), |ring| ring.propose(proposed.clone())).await
    }

    async fn confirm_key_recall(
        &self,
        request: Request<ConfirmKeyRecallRequest>,
    ) -> Result<Response<KeyRecall>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let id = key_of(&request.get_ref().name)?;
        let timekeeper = &self.issuing.timekeeper;
        self.change_keys(&call, id, |ring| ring.confirm(id, signatory(&call), timekeeper.making(call.now))).await
    }

    async fn decline_key_recall(
        &self,
        request: Request<DeclineKeyRecallRequest>,
    ) -> Result<Response<KeyRecall>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let id = key_of(&request.get_ref().name)?;
        self.change_keys(&call, id, |ring| ring.decline(id, signatory(&call))).await
    }

    async fn recall_compound(
        &self,
        request: Request<RecallCompoundRequest>,
    ) -> Result<Response<CompoundRecall>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let compound = fields.name("compound", "compounds", &request.compound);
        let reason = fields.one_of::<RecallReason>("reason", request.reason);
        let evidence_ids = evidence(&mut fields, Some(v1::Reason::Unspecified), &request.evidence_ids);
        let before = hour(&mut fields, "issued_before", request.issued_before.as_ref(), call.now);
        let (compound, (reason, before)) = fields.read(compound.zip(reason.zip(before)))?;
        let recalled = Recalled {
            issued_before: Some(chassis::timestamp(before)),
            reason: reason.into(),
            evidence_ids,
            by: call.principal.subject.clone(),
            unit: call.principal.unit.clone(),
        };
        let room = self.roll.recalls(&chassis::Scope::Everywhere).len() < ROOM;
        self.change_recall(&call, &compound, |recall| recall.recall(recalled.clone(), room)).await
    }

    async fn lift_compound_recall(
        &self,
        request: Request<LiftCompoundRecallRequest>,
    ) -> Result<Response<CompoundRecall>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let compound = fields.name("compound", "compounds", &request.compound);
        let reason = fields.required("reason", &request.reason, 200).to_owned();
        let compound = fields.read(compound)?;
        let lifted = Lifted { reason, by: call.principal.subject.clone(), unit: call.principal.unit.clone() };
        self.change_recall(&call, &compound, |recall| recall.lift(lifted.clone())).await
    }

    async fn list_recalls(
        &self,
        request: Request<ListRecallsRequest>,
    ) -> Result<Response<ListRecallsResponse>, Status> {
        let call = Call::query(&request)?;
        self.remembered.caught_up(&call).await?;
        let ring = self.roll.keyring();
        let keys = ring.recalls().filter(|(_, recall)| !recall.declined);
        let keys = keys.map(|(id, recall)| shown_key(id, recall)).collect();
        let compounds = self.roll.recalls(&call.principal.scope);
        let compounds = compounds.iter().map(|(id, recall)| shown_compound(id, recall)).collect();
        Ok(Response::new(ListRecallsResponse { keys, compounds }))
    }
}

impl Api {
    async fn change_keys(
        &self,
        call: &Call,
        id: u8,
        decide: impl Fn(&Keyring) -> Result<Vec<Event>, keyring::Refused> + Send + Sync,
    ) -> Result<Response<KeyRecall>, Status> {
        let decide = |ring: &Keyring, _| -> Result<_, keyring::Refused> { Ok(Decision::new(decide(ring)?)) };
        let reply = |ring: &Keyring, _| ring.recall(id).map(|recall| shown_key(id, recall)).unwrap_or_default();
        Ok(self.ledger.transact(call, STREAM, decide, reply).await?.into_response())
    }

    /// Of a compound within the caller's reach.
    async fn change_recall(
        &self,
        call: &Call,
        compound: &str,
        decide: impl Fn(&Recall) -> Result<Vec<recall_event::Event>, recall::Refused> + Send + Sync,
    ) -> Result<Response<CompoundRecall>, Status> {
        self.remembered.caught_up(call).await?;
        let neighbourhood = self.roll.neighbourhood(compound).filter(|id| call.principal.scope.allows(id));
        let neighbourhood = neighbourhood.ok_or_else(|| recall::Refused::NotFound.refusal())?;
        let decide = |recall: &Recall, _| -> Result<_, recall::Refused> {
            Ok(Decision::new(decide(recall)?).office(neighbourhood.as_str()))
        };
        let reply = |recall: &Recall, _| shown_compound(compound, recall);
        Ok(self.ledger.transact(call, compound, decide, reply).await?.into_response())
    }
}

fn signatory(call: &Call) -> Signatory<'_> {
    Signatory { by: &call.principal.subject, unit: &call.principal.unit }
}

/// A pass says no more than the hour of its issue, so a time is taken for the hour in which it lies. The calendar of passes
/// begins in 2020.
fn hour(
    fields: &mut Fields,
    field: &str,
    time: Option<&prost_types::Timestamp>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let first = DateTime::from_timestamp(credential::time::Hour(1).start().unix(), 0).unwrap_or_default();
    let time = time.and_then(instant).filter(|time| (first..=now).contains(time));
    fields.check(
        field,
        time.is_some(),
        "需要是 2020 年以后、不晚于现在的时间：出入证只记录签发的整点",
        "must be a time since 2020 and not in the future: a pass says no more than the hour of its issue",
    );
    time?.duration_trunc(TimeDelta::hours(1)).ok()
}

/// 0 stands for what is no id of a key.
fn key_id(id: u32) -> u8 {
    u8::try_from(id).unwrap_or(0)
}

fn key_of(name: &str) -> Result<u8, Status> {
    let id = name.strip_prefix("keys/").and_then(|rest| rest.strip_suffix("/recall"));
    let mut fields = Fields::new();
    let id = id.and_then(|id| id.parse().ok());
    fields.check(
        "name",
        id.is_some(),
        "应为 keys/<钥匙编号>/recall，例如 keys/2/recall",
        "must be keys/<key id>/recall, for example keys/2/recall",
    );
    fields.read(id)
}

fn shown_key(id: u8, recall: &keyring::Recall) -> KeyRecall {
    let state = match (&recall.confirmed, recall.declined) {
        (Some(_), _) => key_recall::State::InForce,
        (None, true) => key_recall::State::Declined,
        (None, false) => key_recall::State::Proposed,
    };
    let confirmed = recall.confirmed.clone().unwrap_or_default();
    KeyRecall {
        name: format!("keys/{id}/recall"),
        signed_from: recall.proposed.signed_from,
        reason: recall.proposed.reason,
        evidence_ids: recall.proposed.evidence_ids.clone(),
        state: state.into(),
        proposed_by: recall.proposed.by.clone(),
        proposed_unit: recall.proposed.unit.clone(),
        confirmed_by: confirmed.by,
        confirmed_unit: confirmed.unit,
    }
}

fn shown_compound(id: &str, recall: &Recall) -> CompoundRecall {
    let recalled = recall.recalled().cloned().unwrap_or_default();
    CompoundRecall {
        name: format!("compounds/{id}/recall"),
        issued_before: recalled.issued_before,
        reason: recalled.reason,
        evidence_ids: recalled.evidence_ids,
        by: recalled.by,
        unit: recalled.unit,
        lifted: recall.lifted,
    }
}
