//! What a version of the method changes: in its text, for the people on record, and how far that has been done.

use std::sync::Arc;

use chassis::{Call, Failure, Refuse as _, page};
use proto::screening::v1::{self, MethodContent, method_service_server::MethodService, rescreening::State};
use tonic::{Request, Response, Status};

use super::{Api, fields, methods::fault, resources};
use crate::{
    comparison::{compare, headline},
    domain::{
        method::{Method, not_found},
        rescreening::Rescreening,
    },
    dry_run, messages,
    projections::{methods, set_aside},
    rejudging::{Records, Rejudging},
};

/// Of the cases that were set aside, so many are shown with the run.
const FIRST: i64 = 20;

#[tonic::async_trait]
impl MethodService for Api {
    async fn list_methods(
        &self,
        request: Request<v1::ListMethodsRequest>,
    ) -> Result<Response<v1::ListMethodsResponse>, Status> {
        let call = Call::query(&request)?;
        self.methods(&call, &request.into_inner()).await
    }

    async fn compare_methods(
        &self,
        request: Request<v1::CompareMethodsRequest>,
    ) -> Result<Response<v1::Comparison>, Status> {
        let call = Call::query(&request)?;
        let v1::CompareMethodsRequest { name, base } = request.into_inner();
        let version = fields::name("name", "methods", &name)?;
        let named = if base.is_empty() { None } else { Some(fields::name("base", "methods", &base)?) };
        let base = match named {
            Some(base) => base,
            None => self.version_at(&mut *self.views.read(&call).await?, call.now).await?,
        };
        let (before, after) = (self.content(&base).await?, self.content(&version).await?);
        Ok(Response::new(v1::Comparison {
            name: format!("methods/{version}"),
            base: format!("methods/{base}"),
            digest: resources::digest(&after),
            base_digest: resources::digest(&before),
            changes: compare(&before, &after),
        }))
    }

    async fn dry_run_method(&self, request: Request<v1::DryRunMethodRequest>) -> Result<Response<v1::DryRun>, Status> {
        let call = Call::query(&request)?;
        let version = fields::name("name", "methods", &request.into_inner().name)?;
        let content = self.content(&version).await?;
        let mut db = self.views.read(&call).await?;
        let in_force = methods::in_force(&mut db, call.now).await.map_err(fault)?;
        drop(db);
        let before = match &in_force {
            Some(published) => self.content(&published.version).await?,
            None => MethodContent::default(),
        };
        let rules = messages::rules(&version, &content).map_err(fault)?;
        let records = Records { assessor: self.assessor.clone(), views: self.views.clone() };
        let rejudging = Arc::new(Rejudging::new(records, rules));
        let counts = dry_run::count(&rejudging, &call.principal.scope).await?;
        let changes = compare(&before, &content);
        let figures = counts.total();
        let told = dry_run::sentence(&headline(&changes), &figures);
        Ok(Response::new(v1::DryRun {
            name: format!("methods/{version}"),
            base: in_force.map(|published| format!("methods/{}", published.version)).unwrap_or_default(),
            figures: Some(figures),
            measures: counts.measures(),
            neighbourhoods: counts.neighbourhoods(),
            changes,
            zh: told.zh,
            en: told.en,
        }))
    }

    async fn get_rescreening(
        &self,
        request: Request<v1::GetRescreeningRequest>,
    ) -> Result<Response<v1::Rescreening>, Status> {
        let call = Call::query(&request)?;
        let name = request.into_inner().name;
        let mut db = self.views.read(&call).await?;
        let version = if name.is_empty() {
            self.version_at(&mut db, call.now).await?
        } else {
            fields::name("name", "methods", &name)?
        };
        let published = methods::find(&mut db, &version).await.map_err(fault)?;
        let published = published.ok_or_else(|| Status::from(not_found()))?;
        let replaced = methods::replaced(&mut db, &published).await.map_err(fault)?;
        let scope = &call.principal.scope;
        let waiting = set_aside::count(&mut db, scope, &version).await.map_err(fault)?;
        let set_aside_cases = set_aside::list(&mut db, scope, &version, "", FIRST).await.map_err(fault)?;
        drop(db);
        let (run, _) = self.ledger.load::<Rescreening>(&version).await?;
        let state = match (run.begun(), run.completed()) {
            (_, Some(_)) => State::Done,
            _ if replaced.is_some_and(|replaced| replaced <= call.now) => State::Overtaken,
            (Some(_), None) => State::Running,
            (None, None) => State::Waiting,
        };
        Ok(Response::new(v1::Rescreening {
            method: format!("methods/{version}"),
            state: state.into(),
            cases: run.begun().map_or(0, |begun| number(begun.cases)),
            done: number(run.count().done),
            changed: number(run.count().changed),
            begin_time: run.begun().and_then(|begun| begun.time),
            end_time: run.completed().and_then(|completed| completed.time),
            set_aside: number(waiting),
            set_aside_cases,
        }))
    }

    async fn list_set_aside_cases(
        &self,
        request: Request<v1::ListSetAsideCasesRequest>,
    ) -> Result<Response<v1::ListSetAsideCasesResponse>, Status> {
        let call = Call::query(&request)?;
        let v1::ListSetAsideCasesRequest { page_size, page_token } = request.into_inner();
        let (after, size) = (page::after(&page_token)?, page::size(page_size));
        let mut db = self.views.read(&call).await?;
        let found = set_aside::list(&mut db, &call.principal.scope, "", &after, size + 1).await;
        let mut cases = found.map_err(fault)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = cases.len() > size;
        cases.truncate(size);
        let last = cases.last().and_then(|case| case.case.strip_prefix("cases/")).filter(|_| more);
        let next_page_token = last.map(page::token_after).unwrap_or_default();
        Ok(Response::new(v1::ListSetAsideCasesResponse { cases, next_page_token }))
    }
}

impl Api {
    async fn methods(
        &self,
        call: &Call,
        request: &v1::ListMethodsRequest,
    ) -> Result<Response<v1::ListMethodsResponse>, Status> {
        let after = page::after(&request.page_token)?;
        let size = page::size(request.page_size);
        let mut db = self.views.read(call).await?;
        let mut found = methods::list(&mut db, &after, size + 1).await.map_err(fault)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = found.len() > size;
        found.truncate(size);
        let next_page_token = found.last().filter(|_| more).map(|last| page::token_after(last)).unwrap_or_default();
        let mut methods = Vec::with_capacity(found.len());
        for version in found {
            methods.push(self.shown(&mut db, call, &version).await?);
        }
        Ok(Response::new(v1::ListMethodsResponse { methods, next_page_token }))
    }

    /// Of a version in whatever state. Refused where there is none.
    async fn content(&self, version: &str) -> Result<MethodContent, Status> {
        let (method, _) = self.ledger.load::<Method>(version).await?;
        let content = method.content().cloned();
        content.ok_or_else(|| Status::from(Failure::Refused(not_found().refusal())))
    }
}

fn number(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
