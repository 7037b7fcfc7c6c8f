//! Residents by what somebody knows of them: a number exactly, a name by its characters or its pinyin, a room. Masked, in
//! pages, in the order of the doors. Names are looked for within one neighbourhood: a name alone must not open the records of
//! the whole subdistrict (DOMAIN section 5).

use chassis::{Call, Fields, day_of};
use chrono::NaiveDate;
use proto::registry::v1::{FindResidentsRequest, ListResidentsResponse, find_residents_request::Key};
use tonic::{Request, Status};

use super::{Answer, Api, fault, residents::all_masked};
use crate::{
    identity, keys, phone, place,
    projections::{
        Asked, Page, Within, index,
        residents::{self, Stored},
    },
    sounds,
};

/// Rows of a page: more than anybody reads who looks for one person.
const MOST: i64 = 100;

/// What is looked for, as it is kept or compared.
enum Sought {
    /// The blind index of a phone.
    Phone(String),
    /// The blind index of a document.
    Document(String),
    Name(sounds::Sought),
    Door(place::Door),
}

pub(super) async fn find(api: &Api, request: Request<FindResidentsRequest>) -> Answer<ListResidentsResponse> {
    let call = Call::query(&request)?;
    let given = request.into_inner();
    let asked = Asked::new(given.page_size, &given.page_token)?.at_most(MOST);
    let mut fields = Fields::new();
    let sought = sought(api, &mut fields, given.key.as_ref(), day_of(call.now));
    let own = call.principal.scope.neighbourhood();
    fields.check(
        "parent",
        !matches!(sought, Some(Sought::Name(_))) || own.is_some() || !given.parent.is_empty(),
        "按姓名查找须指明社区或小区：请填写",
        "is required to look for a name: say in which neighbourhood or compound",
    );
    let sought = fields.read(sought)?;
    let mut place = api.within(&call, &given.parent).await?;
    if place.neighbourhood.is_empty() {
        place.neighbourhood = own.unwrap_or_default().to_owned();
    }
    let page = look(api, &call, sought, &place, &asked).await?;
    let residents = all_masked(api, page.rows).await?;
    Ok(ListResidentsResponse { residents, next_page_token: page.next }.into())
}

fn sought(api: &Api, fields: &mut Fields, key: Option<&Key>, today: NaiveDate) -> Option<Sought> {
    match key {
        Some(Key::Phone(typed)) => {
            let number = phone::normalise(typed);
            fields.check("phone", number.is_some(), phone::NOT_MOBILE.zh, phone::NOT_MOBILE.en);
            number.map(|number| Sought::Phone(index(keys::phone_index(&api.vault, &number))))
        }
        Some(Key::DocumentNumber(typed)) => match identity::recognise(typed, today) {
            Ok((known, _)) => {
                let blind = keys::document_index(&api.vault, &known);
                fields.check("document_number", blind.is_some(), "请填写证件号码", "must be given");
                blind.map(|blind| Sought::Document(index(blind)))
            }
            Err(fault) => {
                fields.refuse("document_number", fault.sentence().zh, fault.sentence().en);
                None
            }
        },
        Some(Key::Name(typed)) => {
            let name = sounds::Sought::read(typed);
            fields.check(
                "name",
                name.is_some(),
                "需要姓名中的汉字，或拼音全拼、首字母：最多 60 个字，不含数字",
                "must be characters of the name, or its pinyin or initials: at most 60, without digits",
            );
            name.map(Sought::Name)
        }
        Some(Key::Room(typed)) => {
            let door = place::door(typed);
            fields.check(
                "room",
                door.is_some(),
                "需要形如 3幢2单元501室、3-2-501、3-501 或 501 的门牌",
                "must be a door like 3-2-501, 3-501 or 501",
            );
            door.map(Sought::Door)
        }
        None => {
            fields.refuse(
                "key",
                "请填写手机号码、证件号码、姓名或房号",
                "must be a phone, a document number, a name or a room",
            );
            None
        }
    }
}

async fn look(api: &Api, call: &Call, sought: Sought, place: &Within, asked: &Asked) -> Result<Page<Stored>, Status> {
    let (scope, views) = (&call.principal.scope, &api.views);
    let found = match sought {
        Sought::Name(name) => return called(api, call, &name, place, asked).await,
        Sought::Phone(blind) => residents::find(&mut *views.read(call).await?, scope, (&blind, ""), place, asked).await,
        Sought::Document(blind) => {
            residents::find(&mut *views.read(call).await?, scope, ("", &blind), place, asked).await
        }
        Sought::Door(door) => residents::behind(&mut *views.read(call).await?, scope, &door, place, asked).await,
    };
    found.map_err(fault)
}

async fn called(
    api: &Api,
    call: &Call,
    name: &sounds::Sought,
    place: &Within,
    asked: &Asked,
) -> Result<Page<Stored>, Status> {
    let found = api.names.find((&api.views, &api.vault), call, place, name, asked).await?;
    let mut db = api.views.connection().await?;
    let mut rows = Vec::with_capacity(found.rows.len());
    for id in found.rows {
        let row = residents::get(&mut db, &call.principal.scope, &id).await.map_err(fault)?;
        // To show somebody who was erased meanwhile would say what they were called.
        rows.extend(row.filter(|row| !row.resident.erased));
    }
    Ok(Page { rows, next: found.next })
}
