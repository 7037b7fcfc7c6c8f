//! Tasks with their clocks, the readings of a round, codes for those without a token, notice that is taken.

use std::collections::HashMap;

use chassis::{Call, Failure, Fields, Principal, Refuse as _, page, refusal::Spoken, timestamp};
use futures::{StreamExt as _, stream};
use proto::{
    access::v1::Role,
    isolation::v1::{
        AcknowledgeRequest, AssignOrderRequest, Level, ListObservationsRequest, ListObservationsResponse,
        ListTasksRequest, ListTasksResponse, OpenReportingCodeRequest, Order as Resource, Reading,
        RecordObservationsRequest, RecordObservationsResponse, RefusedReading, Remark, ReportObservationRequest,
        ReportReceipt, Reporter, ReportingCode, TaskKind, observation_service_server::ObservationService,
    },
};
use tonic::{Code, Request, Response, Status};

use super::{
    Api,
    readings::{Taken, vitals},
    signature, within_reach,
};
use crate::{
    domain::{
        order::{Order, Refused, matter_of},
        period::Slot,
        schedule::SHIPPED,
    },
    filing,
    projections::tasks::{self, After, Filter, Mine},
    resources,
};

/// Scope of the reservations by which a code leads to its order.
const CODES: &str = "reporting code";
/// Readings of one request.
const MOST_READINGS: usize = 1000;
/// Of them at once: they go into few commits.
const SIDE_BY_SIDE: usize = 128;

#[tonic::async_trait]
impl ObservationService for Api {
    async fn list_tasks(&self, request: Request<ListTasksRequest>) -> Result<Response<ListTasksResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let filter = filter(&request, &call.principal)?;
        let (size, after) = (page::size(request.page_size), after(&request.page_token)?);
        let mut db = self.views.read(&call).await?;
        let scope = &call.principal.scope;
        let listed = tasks::list(&mut db, scope, &filter, call.now, &after, size + 1).await;
        let mut open = listed.map_err(Failure::from)?;
        drop(db);
        let more = open.len() > usize::try_from(size).unwrap_or(usize::MAX);
        if more {
            open.pop();
        }
        let last = open.last().filter(|_| more);
        let next_page_token =
            last.map_or_else(String::new, |last| page::token_after(&format!("{}|{}", last.row.due_at, last.row.key)));
        let tasks = open.into_iter().map(resources::task).collect();
        Ok(Response::new(ListTasksResponse { tasks, next_page_token }))
    }

    async fn record_observations(
        &self,
        request: Request<RecordObservationsRequest>,
    ) -> Result<Response<RecordObservationsResponse>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let readings = request.into_inner().readings;
        let mut fields = Fields::new();
        fields.check(
            "readings",
            (1..=MOST_READINGS).contains(&readings.len()),
            format!("一次需要 1 至 {MOST_READINGS} 条记录：请分几次提交"),
            format!("must hold 1 to {MOST_READINGS} readings: send them in several requests"),
        );
        fields.done()?;
        let limits = self.fever_limits(&call, &readings).await?;
        let recorded = readings.iter().enumerate().map(|(index, reading)| {
            let (call, limits) = (call.derive(index), &limits);
            async move { (index, self.record_row(&call, reading, limits).await) }
        });
        let recorded: Vec<_> = recorded.collect();
        let rows: Vec<(usize, Result<bool, Status>)> = stream::iter(recorded).buffered(SIDE_BY_SIDE).collect().await;
        let mut answer = RecordObservationsResponse::default();
        for (index, row) in rows {
            match row {
                Ok(ill) => {
                    answer.taken += 1;
                    answer.ill += i32::from(ill);
                }
                // Sent again with its id, what was taken is not taken twice.
                Err(status) if !refuses(&status) => return Err(status),
                Err(status) => answer.refused.push(refused_row(index, &readings[index], &status)),
            }
        }
        Ok(Response::new(answer))
    }

    async fn list_observations(
        &self,
        request: Request<ListObservationsRequest>,
    ) -> Result<Response<ListObservationsResponse>, Status> {
        let call = Call::query(&request)?;
        let mut fields = Fields::new();
        let id = fields.name("parent", "orders", &request.get_ref().parent);
        let id = fields.read(id)?;
        let (order, _) = self.ledger.load::<Order>(&id).await?;
        within_reach(&order, &call.principal.scope).map_err(|refused| refused.refusal())?;
        let observations = self.observations(&id).await?;
        Ok(Response::new(ListObservationsResponse { observations }))
    }

    async fn open_reporting_code(
        &self,
        request: Request<OpenReportingCodeRequest>,
    ) -> Result<Response<ReportingCode>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("order", "orders", &request.order);
        let reporter = fields.one_of::<Reporter>("reporter", request.reporter);
        fields.check(
            "reporter",
            reporter != Some(Reporter::Worker),
            "社工用自己的账号登记，不需要上报码：请选 person 或 volunteer",
            "a worker records with their own token: choose person or volunteer",
        );
        let (id, reporter) = fields.read(id.zip(reporter))?;
        let code = self.code(&call.command_id);
        let digest = self.digest(&code);
        let expires = call.now + SHIPPED.code_lives;
        let decide = |order: &Order, _| {
            within_reach(order, &call.principal.scope)?;
            let events = order.open_code(&digest, reporter, expires)?;
            Ok::<_, Refused>(filing::file(order, events, "").reserve(CODES, digest))
        };
        let name = format!("orders/{id}");
        let reply = |_: &Order, _| ReportingCode {
            order: name.clone(),
            code: String::new(),
            expire_time: Some(timestamp(expires)),
        };
        let mut done = self.ledger.transact(&call, &id, decide, reply).await?;
        // Never stored: the same command makes the same code again.
        done.reply.code = code;
        Ok(done.into_response())
    }

    async fn report_observation(
        &self,
        request: Request<ReportObservationRequest>,
    ) -> Result<Response<ReportReceipt>, Status> {
        let mut call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let code = normal(fields.required("code", &request.code, 20));
        let vitals = vitals(&mut fields, request.temperature_decicelsius, &request.symptoms);
        fields.done()?;
        let digest = self.digest(&code);
        let spent = || Status::from(Refused::CodeSpent.refusal());
        let order_id = self.ledger.reserved(CODES, digest).await?.ok_or_else(spent)?;
        let (order, _) = self.ledger.load::<Order>(&order_id).await?;
        let reporter = order.reporter(&digest, call.now).map_err(|_| spent())?;
        let today = chassis::day_of(call.now);
        // Before six none of the day's half-days has begun: the domain says so.
        let slot = Slot::at(call.now).unwrap_or_else(|| Slot::first_on(today, call.now));
        call.principal.subject = match reporter {
            Reporter::Volunteer => format!("volunteer of orders/{order_id}"),
            _ => format!("residents/{}", order.terms.resident_id),
        };
        let fever_decicelsius = self.method_of(&order, &call).await?.fever_decicelsius;
        let reading = Taken { order_id, slot, vitals, reporter };
        let allowed = |order: &Order| order.reporter(&digest, call.now).map(drop);
        let done = self.take(&call, &order, &reading, fever_decicelsius, allowed).await?;
        let fever_or_symptoms = done.reply.unacknowledged.contains(&matter_of(slot));
        Ok(Response::new(ReportReceipt {
            date: slot.date.to_string(),
            day_part: slot.part.day_part().into(),
            fever_or_symptoms,
        }))
    }

    async fn acknowledge(&self, request: Request<AcknowledgeRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("order", "orders", &request.order);
        let matter = fields.required("matter", &request.matter, 80).to_owned();
        let text = fields.at_most("remark", &request.remark, 200).to_owned();
        let id = fields.read(id)?;
        let remark = self.remark(&call, &id, text).await?;
        let who = signature(&call);
        let done = self.change(&call, &id, |order| order.acknowledge(&matter, &who, remark.clone())).await?;
        Ok(done.into_response())
    }

    async fn assign_order(&self, request: Request<AssignOrderRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("order", "orders", &request.order);
        let responsible = request.responsible.as_str();
        let collection = if responsible.starts_with("volunteers/") { "volunteers" } else { "staff" };
        drop(fields.name_if_given("responsible", collection, responsible));
        let id = fields.read(id)?;
        let done = self.change(&call, &id, |order| order.assign(responsible)).await?;
        Ok(done.into_response())
    }
}

impl Api {
    /// R14's limits by the methods of the orders within reach; rows without one are refused by themselves.
    async fn fever_limits(&self, call: &Call, readings: &[Reading]) -> Result<HashMap<String, i32>, Status> {
        let mut limits = HashMap::new();
        for reading in readings {
            let Some(id) = reading.order.strip_prefix("orders/").filter(|id| !id.is_empty()) else { continue };
            let (order, _) = self.ledger.load::<Order>(id).await?;
            let version = &order.terms.method_version;
            if within_reach(&order, &call.principal.scope).is_ok() && !limits.contains_key(version) {
                limits.insert(version.clone(), self.method_of(&order, call).await?.fever_decicelsius);
            }
        }
        Ok(limits)
    }

    /// Whether it was a bad one.
    async fn record_row(&self, call: &Call, reading: &Reading, limits: &HashMap<String, i32>) -> Result<bool, Status> {
        let taken = Taken::read(reading)?;
        let (order, _) = self.ledger.load::<Order>(&taken.order_id).await?;
        let limit = limits.get(&order.terms.method_version).copied();
        let limit = limit.ok_or_else(|| Status::from(Refused::NotFound.refusal()))?;
        let ill = taken.vitals.temperature_decicelsius >= limit || !taken.vitals.symptoms.is_empty();
        self.take_reading(call, taken, limit).await?;
        Ok(ill)
    }

    /// What somebody wrote, sealed under the resident's key; nothing of somebody who was erased.
    pub(super) async fn remark(
        &self,
        call: &Call,
        order_id: &str,
        text: String,
    ) -> Result<Option<proto::event::v1::Sealed>, Status> {
        if text.is_empty() {
            return Ok(None);
        }
        let (order, _) = self.ledger.load::<Order>(order_id).await?;
        within_reach(&order, &call.principal.scope).map_err(|refused| refused.refusal())?;
        match self.vault.seal(&order.terms.resident_id, &Remark { text }).await {
            Ok(sealed) => Ok(Some(sealed)),
            Err(Failure::Refused(_)) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Ten letters that only this installation's secret makes of the command's id: fifty bits, for a day.
    fn code(&self, command_id: &str) -> String {
        let bytes = self.vault.blind("reporting code", command_id);
        bytes.iter().take(10).map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
    }

    fn digest(&self, code: &str) -> [u8; 32] {
        self.vault.blind("digest of a reporting code", code)
    }
}

/// Without those that are taken for others.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// As people type a code: with blanks and hyphens, in small letters, with an O for a zero.
fn normal(typed: &str) -> String {
    let letters = typed.chars().filter(char::is_ascii_alphanumeric);
    letters
        .map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            letter => letter,
        })
        .collect()
}

/// Whether the row is at fault, and not the server.
fn refuses(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::FailedPrecondition
            | Code::AlreadyExists
            | Code::PermissionDenied
    )
}

fn refused_row(index: usize, reading: &Reading, status: &Status) -> RefusedReading {
    let spoken = Spoken::from(status);
    let (zh, en): (Vec<String>, Vec<String>) = if spoken.fields.is_empty() {
        (vec![spoken.zh], vec![spoken.en])
    } else {
        let field = |field: chassis::refusal::SpokenField| {
            (format!("{}：{}", field.field, field.zh), format!("{} {}", field.field, field.en))
        };
        spoken.fields.into_iter().map(field).unzip()
    };
    RefusedReading {
        index: i32::try_from(index).unwrap_or(i32::MAX),
        order: reading.order.clone(),
        reason: spoken.reason,
        message_zh: zh.join("；"),
        message_en: en.join("; "),
    }
}

fn after(token: &str) -> Result<After, Status> {
    let key = page::after(token)?;
    let Some((due, key)) = key.split_once('|') else { return Ok((i64::MIN, String::new())) };
    Ok((due.parse().unwrap_or(i64::MIN), key.to_owned()))
}

fn filter(request: &ListTasksRequest, who: &Principal) -> Result<Filter, Status> {
    let mut fields = Fields::new();
    let mut filter = Filter { late: request.late, ..Filter::default() };
    let parent = &request.parent;
    match parent.split('/').next() {
        Some("neighbourhoods") => {
            filter.neighbourhood_id = fields.name("parent", "neighbourhoods", parent).unwrap_or_default();
        }
        Some("compounds") => filter.compound_id = fields.name("parent", "compounds", parent).unwrap_or_default(),
        Some("orders") => filter.order_id = fields.name("parent", "orders", parent).unwrap_or_default(),
        _ => {
            fields.check(
                "parent",
                parent.is_empty(),
                "应为 neighbourhoods/<编号>、compounds/<编号>、orders/<编号> 或者留空",
                "must be neighbourhoods/<id>, compounds/<id>, orders/<id>, or empty for all that you may see",
            );
        }
    }
    if request.kind != 0 {
        filter.kind = fields.one_of("kind", request.kind);
    }
    filter.mine = request.mine.then(|| mine(who));
    fields.done()?;
    Ok(filter)
}

fn mine(who: &Principal) -> Mine {
    let (kinds, level, own) = match who.role {
        Role::Director => {
            (vec![TaskKind::Change, TaskKind::Transfer, TaskKind::Release], Some(Level::Neighbourhood), false)
        }
        Role::Officer => (Vec::new(), Some(Level::Subdistrict), false),
        Role::Health => (vec![TaskKind::Alert, TaskKind::Change], None, false),
        _ => (Vec::new(), None, true),
    };
    Mine { subject: who.subject.clone(), kinds, own, level }
}
