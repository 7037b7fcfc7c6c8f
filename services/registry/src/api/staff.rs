//! Staff: enrolled for a neighbourhood, or for the whole subdistrict.

use chassis::{Call, Decision, Done, Fields};
use proto::registry::v1::{EnrolStaffRequest, ListStaffRequest, ListStaffResponse, Person, Staff, StaffKind};
use tonic::{Request, Status};

use super::{Answer, Api, fault, refused, residents::opened};
use crate::{
    domain::{not_found, staff},
    mask, person,
    projections::{Asked, staff as members},
};

pub(super) async fn enrol(api: &Api, request: Request<EnrolStaffRequest>) -> Answer<Staff> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner();
    let mut fields = Fields::new();
    let kind: Option<StaffKind> = fields.one_of("kind", given.kind);
    let neighbourhood =
        fields.name_if_given("neighbourhood", "neighbourhoods", &given.neighbourhood).unwrap_or_default();
    fields.check(
        "neighbourhood",
        !given.neighbourhood.is_empty() || kind == Some(StaffKind::Health),
        "除卫生防疫人员外都必须填写所属社区",
        "is required for everybody but the health team",
    );
    let full_name = person::name(&mut fields, "full_name", &given.full_name);
    let phone = person::one_phone(&mut fields, "phone", &given.phone);
    let kind = fields.read(kind)?;
    if neighbourhood.is_empty() {
        // Only who acts for the whole subdistrict enrols for it.
        if !call.principal.scope.allows(&neighbourhood) {
            return Err(not_found("neighbourhood").into());
        }
    } else {
        api.neighbourhood(&call, &neighbourhood).await?;
    }
    let id = call.id("staff");
    let person = Person { full_name, phones: vec![phone], document: None };
    let sealed = api.vault.seal(&id, &person).await?;
    let decide = |staff: &staff::Staff, _| {
        let events = staff.enrol(kind, &neighbourhood, sealed.clone()).map_err(refused)?;
        Ok(Decision::new(events).office(&neighbourhood))
    };
    let reply = |_: &staff::Staff, _| Staff {
        name: format!("staff/{id}"),
        kind: kind.into(),
        neighbourhood: given.neighbourhood.clone(),
        masked_name: String::new(),
    };
    let done = api.begin(&call, &id, decide, reply).await?;
    let reply = Staff { masked_name: mask::name(&person.full_name), ..done.reply };
    Ok(Done { reply, log: done.log, position: done.position }.into_response())
}

pub(super) async fn list(api: &Api, request: Request<ListStaffRequest>) -> Answer<ListStaffResponse> {
    let call = Call::query(&request)?;
    let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
    let mut fields = Fields::new();
    let parent = fields.name_if_given("parent", "neighbourhoods", &request.get_ref().parent).unwrap_or_default();
    fields.done()?;
    let page = {
        let mut db = api.views.read(&call).await?;
        members::list(&mut db, &call.principal.scope, &parent, &asked).await.map_err(fault)?
    };
    let mut shown = Vec::with_capacity(page.rows.len());
    for stored in page.rows {
        shown.push(masked(api, stored).await?);
    }
    Ok(ListStaffResponse { staff: shown, next_page_token: page.next }.into())
}

async fn masked(api: &Api, stored: members::Stored) -> Result<Staff, Status> {
    let person = opened(api, stored.person.as_ref()).await?;
    Ok(Staff { masked_name: person.map(|person| mask::name(&person.full_name)).unwrap_or_default(), ..stored.staff })
}
