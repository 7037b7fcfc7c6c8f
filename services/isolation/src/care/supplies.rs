//! Supplies: donated, issued, listed, short, thanked for.

use chassis::{Call, Decision, Fields, Refuse as _, Scope, day_of, timestamp};
use chrono::Days;
use proto::isolation::v1::{
    DonateRequest, Donation, Giver, Issue, IssueSuppliesRequest, ListIssuesRequest, ListIssuesResponse,
    ListShortagesRequest, ListShortagesResponse, ListStockRequest, ListStockResponse, ListThanksRequest,
    ListThanksResponse, Shortage, Unit, need_event, need_event::Supplied, stock_event::Received,
    stock_service_server::StockService,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Asked, Care, amount, fault, item, needs, not_found, within_reach};
use crate::{
    domain::{
        need::{Need, Refused as NeedRefused},
        quantity::shown,
        stock::{Order, Refused, Stock},
    },
    projections::{
        needs::demand,
        residents,
        supplies::{self as listed, Thanked, Within},
        volunteers,
    },
};

/// A random UUID of our own, under which the stocks are named.
const NAMESPACE: Uuid = Uuid::from_u128(0xd7a2_9c53_6b1e_4c87_a0f4_15d8_3e6b_72c9);
/// Of the days for which a shortage is computed.
const MOST_DAYS: i32 = 60;
const USUAL_DAYS: i32 = 7;

#[tonic::async_trait]
impl StockService for Care {
    async fn donate(&self, request: Request<DonateRequest>) -> Result<Response<Donation>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        let place = place(&mut fields, "place", &given.place);
        let item = item(&mut fields, "item", &given.item);
        let amount = amount(&mut fields, "quantity", given.quantity.as_ref());
        let expires = fields.date_if_given("expires_on", &given.expires_on);
        fields.check(
            "expires_on",
            expires.is_none_or(|day| day >= day_of(call.now)),
            "已经过期：过期的物资不能入库",
            "has passed: what has expired is not taken into stock",
        );
        let giver = given.giver.as_ref().map(|giver| Giver {
            full_name: fields.required("giver.full_name", &giver.full_name, 60).to_owned(),
            phone: fields.at_most("giver.phone", &giver.phone, 30).to_owned(),
        });
        fields.check(
            "may_be_named",
            !given.may_be_named || giver.is_some(),
            "不知道捐赠人时不能署名：请填写捐赠人，或取消署名",
            "needs a giver: say who gave it, or leave it out",
        );
        let (place, amount) = fields.read(place.zip(amount))?;
        let within = self.within(&call, place).await?;
        let donation_id = call.id("donation");
        let named = giver.as_ref().filter(|_| given.may_be_named).map(|giver| giver.full_name.clone());
        let sealed = match &giver {
            Some(giver) => Some(self.vault.seal(&donation_id, giver).await?),
            None => None,
        };
        let received = Received {
            donation_id: donation_id.clone(),
            neighbourhood_id: within.neighbourhood.clone(),
            compound_id: within.compound.clone(),
            item: item.clone(),
            measure: amount.measure.into(),
            amount: amount.number,
            given: given.quantity.clone(),
            expires_on: given.expires_on.clone(),
            giver: sealed,
            may_be_named: given.may_be_named,
        };
        let id = stock_of(&within, &item, amount.measure);
        let decide =
            |stock: &Stock, _| Ok::<_, Refused>(Decision::new(stock.receive(&received)).office(&within.neighbourhood));
        let reply = |_: &Stock, _| Donation {
            name: format!("donations/{donation_id}"),
            place: given.place.clone(),
            item: item.clone(),
            quantity: given.quantity.clone(),
            expires_on: given.expires_on.clone(),
            time: Some(timestamp(call.now)),
            thanked: String::new(),
            unknown_giver: giver.is_none(),
        };
        let mut done = self.ledger.transact(&call, &id, decide, reply).await?;
        // Nothing of the giver is kept with the command.
        done.reply.thanked = named.unwrap_or_default();
        Ok(done.into_response())
    }

    async fn list_stock(&self, request: Request<ListStockRequest>) -> Result<Response<ListStockResponse>, Status> {
        let call = Call::query(&request)?;
        let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
        let within = parent(&request.get_ref().parent)?;
        let today = day_of(call.now).to_string();
        let mut db = self.views.read(&call).await?;
        let page = (asked.after.as_str(), asked.size + 1);
        let rows = listed::stock(&mut db, &call.principal.scope, &within, &today, page).await.map_err(fault)?;
        let (stock, next_page_token) = asked.page(rows);
        Ok(Response::new(ListStockResponse { stock, next_page_token }))
    }

    async fn issue_supplies(&self, request: Request<IssueSuppliesRequest>) -> Result<Response<Issue>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        let place = place(&mut fields, "place", &given.place);
        let item = item(&mut fields, "item", &given.item);
        let amount = amount(&mut fields, "quantity", given.quantity.as_ref());
        let need_id = fields.name_if_given("need", "needs", &given.need);
        recipient(&mut fields, &given);
        let (place, amount) = fields.read(place.zip(amount))?;
        let within = self.within(&call, place).await?;
        if let Some(done) = self.ledger.done_before::<Issue>(&call).await? {
            return Ok(done.into_response());
        }
        let need = match &need_id {
            Some(id) => Some(self.ledger.load::<Need>(id).await?.0),
            None => None,
        };
        let recipient = match &need {
            Some(need) => {
                let (resident, _) = within_reach(need, &call.principal.scope).map_err(|refused| refused.refusal())?;
                if need.closed() {
                    return Err(NeedRefused::Closed.refusal().into());
                }
                format!("residents/{resident}")
            }
            None => given.recipient.clone(),
        };
        self.known(&call, &recipient).await?;
        let issue_id = call.id("issue");
        let supplied = Supplied {
            issue_id: issue_id.clone(),
            item: item.clone(),
            measure: amount.measure.into(),
            amount: amount.number,
        };
        let id = stock_of(&within, &item, amount.measure);
        let today = day_of(call.now);
        let order = Order {
            issue_id: &issue_id,
            recipient: &recipient,
            need_id: need_id.as_deref().unwrap_or_default(),
            amount: amount.number,
        };
        let decide = |stock: &Stock, _| {
            let events = stock.issue(order, today)?;
            let decision = Decision::new(events).office(&within.neighbourhood);
            // Out of stock and with the need in one commit: neither is ever there without the other.
            Ok::<_, Refused>(match (&need, &need_id) {
                (Some(need), Some(id)) if !decision.events.is_empty() => {
                    let opened = need.opened.clone().unwrap_or_default();
                    let supplied = vec![need_event::Event::Supplied(supplied.clone())];
                    decision.besides(id, needs::file(&opened, supplied))
                }
                _ => decision,
            })
        };
        let reply = |stock: &Stock, _| Issue {
            name: format!("issues/{issue_id}"),
            place: given.place.clone(),
            item: item.clone(),
            quantity: Some(shown(amount.measure, amount.number)),
            recipient: recipient.clone(),
            need: given.need.clone(),
            time: Some(timestamp(call.now)),
            left: Some(shown(amount.measure, stock.available(today))),
        };
        Ok(self.ledger.transact(&call, &id, decide, reply).await?.into_response())
    }

    async fn list_issues(&self, request: Request<ListIssuesRequest>) -> Result<Response<ListIssuesResponse>, Status> {
        let call = Call::query(&request)?;
        let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
        let within = parent(&request.get_ref().parent)?;
        let mut db = self.views.read(&call).await?;
        let page = (asked.before(), asked.size + 1);
        let rows = listed::issues(&mut db, &call.principal.scope, &within, page).await.map_err(fault)?;
        let (issues, next_page_token) = asked.page(rows);
        Ok(Response::new(ListIssuesResponse { issues, next_page_token }))
    }

    async fn list_shortages(
        &self,
        request: Request<ListShortagesRequest>,
    ) -> Result<Response<ListShortagesResponse>, Status> {
        let call = Call::query(&request)?;
        let within = parent(&request.get_ref().parent)?;
        let days = if request.get_ref().days == 0 { USUAL_DAYS } else { request.get_ref().days };
        let mut fields = Fields::new();
        fields.number("days", days, 1..=MOST_DAYS);
        fields.done()?;
        let days = Days::new(u64::try_from(days).unwrap_or_default());
        let until = call.now + days;
        let last_day = day_of(until).to_string();
        let mut db = self.views.read(&call).await?;
        let scope = &call.principal.scope;
        let place = (within.neighbourhood.as_str(), within.compound.as_str());
        let needed = demand(&mut db, scope, place, until.timestamp_micros()).await.map_err(fault)?;
        let good = listed::good_on(&mut db, scope, &within, &last_day).await.map_err(fault)?;
        let shortages = needed.into_iter().map(|(item, measure, needed)| {
            let there = good.iter().find(|(other, unit, _)| (other, unit) == (&item, &measure));
            let available = there.map_or(0, |(_, _, amount)| *amount);
            let unit = i32::try_from(measure).ok().and_then(|unit| Unit::try_from(unit).ok()).unwrap_or_default();
            Shortage {
                item,
                needed: Some(shown(unit, needed)),
                available: Some(shown(unit, available)),
                short: Some(shown(unit, (needed - available).max(0))),
            }
        });
        Ok(Response::new(ListShortagesResponse { shortages: shortages.collect() }))
    }

    async fn list_thanks(&self, request: Request<ListThanksRequest>) -> Result<Response<ListThanksResponse>, Status> {
        let call = Call::query(&request)?;
        let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
        let within = parent(&request.get_ref().parent)?;
        let mut db = self.views.read(&call).await?;
        let page = (asked.before(), asked.size + 1);
        let rows = listed::thanks(&mut db, &call.principal.scope, &within, page).await.map_err(fault)?;
        drop(db);
        let (rows, next_page_token) = asked.page(rows);
        self.vault.foresee(rows.iter().filter_map(|row| row.giver.as_ref())).await?;
        let mut donations = Vec::with_capacity(rows.len());
        for Thanked { donation, giver } in rows {
            let giver = match &giver {
                Some(sealed) => self.vault.reveal::<Giver>(sealed).await?,
                None => None,
            };
            donations.push(Donation { thanked: giver.map(|giver| giver.full_name).unwrap_or_default(), ..donation });
        }
        Ok(Response::new(ListThanksResponse { donations, next_page_token }))
    }
}

/// The collection of a place and its id.
type Place = (bool, String);

impl Care {
    /// A place within the caller's reach. What another neighbourhood has and what nobody has answer alike.
    async fn within(&self, call: &Call, (compound, id): Place) -> Result<Within, Status> {
        let scope = &call.principal.scope;
        if compound {
            let mut db = self.views.read(call).await?;
            let neighbourhood = volunteers::neighbourhood_of(&mut db, scope, &id).await.map_err(fault)?;
            return Ok(Within { neighbourhood: neighbourhood.ok_or_else(not_found)?, compound: id });
        }
        let allowed = scope.allows(&id) && !matches!(scope, Scope::Own { .. } | Scope::Gate { .. });
        if allowed { Ok(Within { neighbourhood: id, compound: String::new() }) } else { Err(not_found()) }
    }

    /// A resident who is named must be there. Who serves is the registry's to know, and the record says who issued.
    async fn known(&self, call: &Call, recipient: &str) -> Result<(), Status> {
        let Some(id) = recipient.strip_prefix("residents/") else { return Ok(()) };
        let mut db = self.views.read(call).await?;
        let found = residents::find(&mut db, &call.principal.scope, id).await.map_err(fault)?;
        if found.is_some() { Ok(()) } else { Err(not_found()) }
    }
}

/// The stream of an item in a unit at a place.
fn stock_of(within: &Within, item: &str, measure: Unit) -> String {
    let name = format!("{}/{}/{}/{item}", within.neighbourhood, within.compound, measure as i32);
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

fn place(fields: &mut Fields, field: &str, given: &str) -> Option<Place> {
    if given.starts_with("neighbourhoods/") {
        return fields.name(field, "neighbourhoods", given).map(|id| (false, id));
    }
    fields.name(field, "compounds", given).map(|id| (true, id))
}

fn parent(given: &str) -> Result<Within, Status> {
    let mut fields = Fields::new();
    let place = if given.is_empty() { None } else { place(&mut fields, "parent", given) };
    fields.done()?;
    Ok(match place {
        None => Within::default(),
        Some((true, compound)) => Within { compound, ..Within::default() },
        Some((false, neighbourhood)) => Within { neighbourhood, ..Within::default() },
    })
}

/// A need says who; else somebody or a door must be named.
fn recipient(fields: &mut Fields, given: &IssueSuppliesRequest) {
    let named = !given.recipient.is_empty();
    fields.check(
        "recipient",
        named == given.need.is_empty(),
        "领取人与需求只填一项：有需求时按需求发放，没有时填写领取人",
        "is needed where no need is named, and only there",
    );
    if named {
        let collections = ["residents", "households", "staff", "volunteers"];
        let collection = collections.into_iter().find(|known| given.recipient.starts_with(&format!("{known}/")));
        fields.name("recipient", collection.unwrap_or("residents"), &given.recipient);
    }
}
