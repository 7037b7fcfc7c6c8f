//! The method: drafted, signed twice, published from a time on, shown.

use chassis::{Call, Failure, Fields, Refuse as _, instant};
use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::screening::v1::{self, method};
use sqlx::AnyConnection;
use tonic::{Response, Status};

use super::{Api, content, fields, resources};
use crate::{
    domain::method::{Method, Publication, Signatory, not_found},
    method_file::sample_content,
    projections::methods,
};

impl Api {
    pub(super) async fn draft(
        &self,
        call: &Call,
        request: v1::DraftMethodRequest,
    ) -> Result<Response<v1::Method>, Status> {
        let version = fields::version(&request.version)?;
        let content = request.content.unwrap_or_else(sample_content);
        content::check(&content)?;
        let decide = |method: &Method, _| method.draft(&content, signatory(call));
        self.transact_method(call, &version, decide).await
    }

    pub(super) async fn approve(&self, call: &Call, name: &str) -> Result<Response<v1::Method>, Status> {
        let version = fields::name("name", "methods", name)?;
        self.transact_method(call, &version, |method: &Method, _| method.approve(signatory(call))).await
    }

    pub(super) async fn publish(
        &self,
        call: &Call,
        request: &v1::PublishMethodRequest,
    ) -> Result<Response<v1::Method>, Status> {
        let version = fields::name("name", "methods", &request.name)?;
        let from = time_if_given("in_force_time", request.in_force_time.as_ref())?;
        let covered = methods::in_force(&mut *self.views.read(call).await?, call.now).await.map_err(fault)?.is_some();
        let publication = Publication { version: &version, signatory: signatory(call), now: call.now, from, covered };
        let decide = |method: &Method, _| method.publish(publication);
        let published = self.transact_method(call, &version, decide).await?;
        // Verdicts look up the version in force without waiting, so it is in view before anybody hears of it.
        let mut seen = call.clone();
        seen.after.insert(crate::SERVICE.to_owned(), self.ledger.log().head().await.map_err(Failure::from)?.position);
        if let Err(status) = self.views.read(&seen).await {
            tracing::warn!(%status, version, "the views are late: verdicts go on by the method before for a moment");
        }
        self.published.notify_one();
        Ok(published)
    }

    pub(super) async fn method(
        &self,
        call: &Call,
        request: &v1::GetMethodRequest,
    ) -> Result<Response<v1::Method>, Status> {
        let named = if request.name.is_empty() { None } else { Some(fields::name("name", "methods", &request.name)?) };
        let at = time_if_given("time", request.time.as_ref())?;
        let mut fields = Fields::new();
        fields.check(
            "time",
            named.is_none() || at.is_none(),
            "指定了版本就不需要时间：请二选一",
            "goes without a name: ask for one of the two",
        );
        fields.done()?;
        let mut db = self.views.read(call).await?;
        let version = match named {
            Some(version) => version,
            None => self.version_at(&mut db, at.unwrap_or(call.now)).await?,
        };
        Ok(Response::new(self.shown(&mut db, call, &version).await?))
    }

    /// The version in force at a time. Refused where there is none.
    pub(super) async fn version_at(&self, db: &mut AnyConnection, at: DateTime<Utc>) -> Result<String, Status> {
        let in_force = methods::in_force(db, at).await.map_err(fault)?;
        in_force.map(|published| published.version).ok_or_else(|| not_found().into())
    }

    /// A version with its place among the others.
    pub(super) async fn shown(&self, db: &mut AnyConnection, call: &Call, version: &str) -> Result<v1::Method, Status> {
        let (state, stream_version) = self.ledger.load::<Method>(version).await?;
        if state.content().is_none() {
            return Err(not_found().refusal().into());
        }
        let published = methods::find(db, version).await.map_err(fault)?;
        let mut shown = resources::method(version, &state, stream_version);
        let Some(published) = published else { return Ok(shown) };
        shown.publish_time = Some(chassis::timestamp(published.time));
        shown.in_force_time = Some(chassis::timestamp(published.from));
        let replaced = methods::replaced(db, &published).await.map_err(fault)?;
        shown.replace_time = replaced.map(chassis::timestamp);
        if published.from > call.now {
            shown.set_state(method::State::Scheduled);
        } else if replaced.is_some_and(|replaced| replaced <= call.now) {
            shown.set_state(method::State::Replaced);
        }
        Ok(shown)
    }

    /// The id of the version in force.
    pub(super) async fn version_in_force(&self, call: &Call) -> Result<Option<String>, Status> {
        let mut db = self.views.connection().await?;
        let mut in_force = methods::in_force(&mut db, call.now).await.map_err(fault)?;
        if in_force.is_none() {
            drop(db);
            in_force = methods::in_force(&mut *self.views.read(call).await?, call.now).await.map_err(fault)?;
        }
        Ok(in_force.map(|published| published.version))
    }

    async fn transact_method<D>(&self, call: &Call, version: &str, decide: D) -> Result<Response<v1::Method>, Status>
    where
        D: Fn(&Method, u64) -> Result<chassis::Decision<v1::method_event::Event>, crate::domain::method::Refused>
            + Send
            + Sync,
    {
        let reply = |method: &Method, stream_version| {
            let mut shown = resources::method(version, method, stream_version);
            if method.standing() == method::State::Published {
                shown.publish_time = Some(chassis::timestamp(call.now));
                let from = method.in_force_from().unwrap_or(call.now);
                shown.in_force_time = Some(chassis::timestamp(from));
                if from > call.now {
                    shown.set_state(method::State::Scheduled);
                }
            }
            shown
        };
        let done = self.ledger.transact::<Method, v1::Method, _, _, _>(call, version, decide, reply).await?;
        Ok(done.into_response())
    }
}

fn signatory(call: &Call) -> Signatory<'_> {
    Signatory { by: &call.principal.subject, unit: &call.principal.unit }
}

fn time_if_given(field: &str, time: Option<&Timestamp>) -> Result<Option<DateTime<Utc>>, Status> {
    let Some(time) = time else { return Ok(None) };
    let mut fields = Fields::new();
    let read = fields.time(field, Some(time));
    fields.done()?;
    // The log keeps microseconds.
    Ok(read.and_then(|time| DateTime::from_timestamp_micros(time.timestamp_micros())).or(instant(time)))
}

pub(super) fn fault(error: anyhow::Error) -> Status {
    chassis::Failure::Fault(error).into()
}
