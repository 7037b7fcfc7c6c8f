//! The workbook that an import begins with. Made here, so that every client hands out the same one, and so that a heading
//! that the import reads differently tomorrow stands in tomorrow's template.

use chassis::{Call, Fields};
use proto::registry::v1::{GetImportTemplateRequest, ImportKind, ImportTemplate};
use tonic::Request;

use crate::{
    api::{Answer, fault},
    workbook::{self, Kind},
};

pub(in crate::api) async fn get(request: Request<GetImportTemplateRequest>) -> Answer<ImportTemplate> {
    Call::query(&request)?;
    let mut fields = Fields::new();
    let kind: Option<ImportKind> = fields.one_of("kind", request.get_ref().kind);
    let (file_name, kinds): (_, &'static [Kind]) = match fields.read(kind)? {
        ImportKind::Places => ("小区模板.xlsx", &Kind::PLACES),
        ImportKind::Residents | ImportKind::Unspecified => ("住户模板.xlsx", &[Kind::Residents]),
    };
    let made = tokio::task::spawn_blocking(move || workbook::template(kinds)).await;
    let workbook = made.map_err(|error| fault(error.into()))?.map_err(fault)?;
    Ok(ImportTemplate { file_name: file_name.to_owned(), workbook }.into())
}
