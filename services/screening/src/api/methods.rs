//! The method: drafted, signed twice, published, shown.

use chassis::{Call, Failure, Refuse as _};
use proto::screening::v1::{self, method};
use tonic::{Response, Status};

use super::{Api, fields, resources};
use crate::{
    domain::method::{Method, Signatory, not_found},
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
        fields::method(&content)?;
        let decide = |method: &Method, _| method.draft(&content, signatory(call));
        self.transact_method(call, &version, decide).await
    }

    pub(super) async fn approve(&self, call: &Call, name: &str) -> Result<Response<v1::Method>, Status> {
        let version = fields::name("name", "methods", name)?;
        self.transact_method(call, &version, |method: &Method, _| method.approve(signatory(call))).await
    }

    pub(super) async fn publish(&self, call: &Call, name: &str) -> Result<Response<v1::Method>, Status> {
        let version = fields::name("name", "methods", name)?;
        let decide = |method: &Method, _| method.publish(&version, signatory(call));
        let published = self.transact_method(call, &version, decide).await?;
        // Verdicts look up the version in force without waiting, so it is in view before anybody hears of it.
        let mut seen = call.clone();
        seen.after.insert(crate::SERVICE.to_owned(), self.ledger.log().head().await.map_err(Failure::from)?.position);
        if let Err(status) = self.views.read(&seen).await {
            tracing::warn!(%status, version, "the views are late: verdicts go on by the method before for a moment");
        }
        Ok(published)
    }

    pub(super) async fn method(&self, call: &Call, name: &str) -> Result<Response<v1::Method>, Status> {
        let asked = if name.is_empty() { None } else { Some(fields::name("name", "methods", name)?) };
        let mut db = self.views.read(call).await?;
        let in_force = methods::in_force(&mut db).await.map_err(fault)?;
        let shown = match &asked {
            Some(version) => methods::find(&mut db, version).await.map_err(fault)?,
            None => None,
        };
        drop(db);
        let current = in_force.as_ref().map(|published| published.version.clone());
        let version = asked.or_else(|| current.clone()).ok_or_else(|| Status::from(not_found()))?;
        let (state, stream_version) = self.ledger.load::<Method>(&version).await?;
        if state.content().is_none() {
            return Err(not_found().refusal().into());
        }
        let published = shown.or(in_force.filter(|published| published.version == version));
        let mut shown =
            resources::method(&version, &state, stream_version, published.and_then(|published| published.time));
        if state.standing() == method::State::Published && current.is_some_and(|current| current != version) {
            shown.set_state(method::State::Replaced);
        }
        Ok(Response::new(shown))
    }

    /// The id of the version in force.
    pub(super) async fn version_in_force(&self, call: &Call) -> Result<Option<String>, Status> {
        let mut db = self.views.connection().await?;
        let mut in_force = methods::in_force(&mut db).await.map_err(fault)?;
        if in_force.is_none() {
            drop(db);
            in_force = methods::in_force(&mut *self.views.read(call).await?).await.map_err(fault)?;
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
            let published = method.standing() == method::State::Published;
            resources::method(version, method, stream_version, published.then_some(call.now))
        };
        let done = self.ledger.transact::<Method, v1::Method, _, _, _>(call, version, decide, reply).await?;
        Ok(done.into_response())
    }
}

fn signatory(call: &Call) -> Signatory<'_> {
    Signatory { by: &call.principal.subject, unit: &call.principal.unit }
}

pub(super) fn fault(error: anyhow::Error) -> Status {
    chassis::Failure::Fault(error).into()
}
