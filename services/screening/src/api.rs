//! Requests in, decisions out. Fields are read at the edge; what a verdict needs is opened before the decision, and the
//! decision is taken only on the version of the case that was opened.

/// Questions to carriers.
mod carriers;
mod cases;
mod content;
mod disputes;
/// What a worker enters.
mod evidence;
mod fields;
mod method_service;
mod methods;
mod overrides;
mod resources;
/// Evening rounds.
mod sessions;
mod vocabulary;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chassis::{Call, Ledger, Vault, Views};
use proto::screening::v1::{self, screening_service_server::ScreeningService};
use tokio::sync::Notify;
use tonic::{Request, Response, Status};

use crate::assessor::Assessor;

pub(crate) use carriers::CarrierApi;

#[derive(Clone)]
pub struct Api {
    ledger: Ledger,
    vault: Vault,
    views: Views,
    assessor: Assessor,
    /// Tells of a publication.
    published: Arc<Notify>,
}

impl Api {
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) fn views(&self) -> &Views {
        &self.views
    }

    pub(crate) fn new(views: Views, assessor: Assessor, published: Arc<Notify>) -> Self {
        Self { ledger: assessor.ledger.clone(), vault: assessor.vault.clone(), views, assessor, published }
    }
}

#[tonic::async_trait]
impl ScreeningService for Api {
    async fn draft_method(&self, request: Request<v1::DraftMethodRequest>) -> Result<Response<v1::Method>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.draft(&call, request.into_inner()).await
    }

    async fn approve_method(&self, request: Request<v1::ApproveMethodRequest>) -> Result<Response<v1::Method>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.approve(&call, &request.into_inner().name).await
    }

    async fn publish_method(&self, request: Request<v1::PublishMethodRequest>) -> Result<Response<v1::Method>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.publish(&call, request.get_ref()).await
    }

    async fn get_method(&self, request: Request<v1::GetMethodRequest>) -> Result<Response<v1::Method>, Status> {
        let call = Call::query(&request)?;
        self.method(&call, request.get_ref()).await
    }

    async fn open_case(&self, request: Request<v1::OpenCaseRequest>) -> Result<Response<v1::Case>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.open(&call, request.into_inner()).await
    }

    async fn declare(&self, request: Request<v1::DeclareRequest>) -> Result<Response<v1::Case>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.take_declaration(&call, request.into_inner()).await
    }

    async fn record_itinerary(
        &self,
        request: Request<v1::RecordItineraryRequest>,
    ) -> Result<Response<v1::Case>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.take_itinerary(&call, request.into_inner()).await
    }

    async fn assess_case(&self, request: Request<v1::AssessCaseRequest>) -> Result<Response<v1::Case>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.assess(&call, &request.into_inner().case).await
    }

    async fn get_case(&self, request: Request<v1::GetCaseRequest>) -> Result<Response<v1::Case>, Status> {
        let call = Call::query(&request)?;
        self.case(&call, &request.into_inner().name).await
    }

    async fn list_cases(
        &self,
        request: Request<v1::ListCasesRequest>,
    ) -> Result<Response<v1::ListCasesResponse>, Status> {
        let call = Call::query(&request)?;
        self.cases(&call, request.into_inner()).await
    }

    async fn dispute_case(&self, request: Request<v1::DisputeCaseRequest>) -> Result<Response<v1::Case>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.dispute(&call, request.into_inner()).await
    }

    async fn resolve_dispute(&self, request: Request<v1::ResolveDisputeRequest>) -> Result<Response<v1::Case>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.resolve(&call, request.into_inner()).await
    }
}
