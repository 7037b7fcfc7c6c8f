//! The overview as it is, as it was and as it changes; what its figures mean and whom they count; and the proof that it is right.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use chassis::{Call, Failure, Feed, Fields, Kind, Refusal, Remembered, instant, page, reason, timestamp};
use chrono::{DateTime, TimeDelta, Utc};
use proto::command::v1::{
    self as contract, CompareOverviewsRequest, CompareOverviewsResponse, GetOverviewRequest, GetSeriesRequest,
    ListCountedRequest, ListCountedResponse, ListFiguresRequest, ListFiguresResponse, ListSupplyRequest,
    ListSupplyResponse, Overview, Point, RebuildRequest, RebuildResponse, RecountRequest, RecountResponse, Series,
    Supply, WatchOverviewRequest, command_service_server::CommandService,
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    book::Minute,
    comparison,
    figures::{self, ALL, WHICH, Which},
    fold, hiding, overview,
    picture::{Picture, Shown},
    proof,
};

pub struct Api {
    pub picture: Arc<Picture>,
    pub remembered: Remembered,
    pub feeds: Vec<Arc<dyn Feed>>,
    pub stop: CancellationToken,
    /// One rebuild at a time.
    pub rebuilding: tokio::sync::Mutex<()>,
}

/// At most twice a second.
const WATCH: Duration = Duration::from_millis(500);
/// How long a question waits for a picture that is being made: most are made within that.
pub(crate) const AT_THE_START: Duration = Duration::from_secs(4);
/// Points of one series.
const POINTS: i64 = 1_500;
const LISTED: i64 = 1_000;

#[tonic::async_trait]
impl CommandService for Api {
    async fn get_overview(&self, request: Request<GetOverviewRequest>) -> Result<Response<Overview>, Status> {
        let call = self.query(&request).await?;
        let shown = self.shown(&call, "time", request.get_ref().time.as_ref())?;
        Ok(Response::new(overview::of(&shown, &call)))
    }

    type WatchOverviewStream = Pin<Box<dyn Stream<Item = Result<Overview, Status>> + Send>>;

    async fn watch_overview(
        &self,
        request: Request<WatchOverviewRequest>,
    ) -> Result<Response<Self::WatchOverviewStream>, Status> {
        let call = self.query(&request).await?;
        let (sender, receiver) = mpsc::channel(1);
        let (picture, stop) = (Arc::clone(&self.picture), self.stop.clone());
        let seen = request.into_inner().positions.into_iter().collect();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = sender.closed() => {}
                () = watch(&picture, &call, seen, &sender) => {}
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn compare_overviews(
        &self,
        request: Request<CompareOverviewsRequest>,
    ) -> Result<Response<CompareOverviewsResponse>, Status> {
        let call = self.query(&request).await?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        fields.check("time", request.time.is_some(), "必须给出要比较的时间", "must be the time to compare from");
        fields.done()?;
        let before = overview::of(&self.shown(&call, "time", request.time.as_ref())?, &call);
        let after = overview::of(&self.shown(&call, "other_time", request.other_time.as_ref())?, &call);
        let changes = overview::changes(&before, &after);
        Ok(Response::new(CompareOverviewsResponse { overview: Some(before), other: Some(after), changes }))
    }

    async fn get_series(&self, request: Request<GetSeriesRequest>) -> Result<Response<Series>, Status> {
        let call = self.query(&request).await?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let figure = figure(&mut fields, &request.figure);
        let neighbourhood = fields.name_if_given("neighbourhood", "neighbourhoods", &request.neighbourhood);
        let times = times(&mut fields, &request, self.now(&call));
        let ((figure, which), times) = fields.read(figure.zip(times))?;
        let place = self.within_reach(&call, neighbourhood)?;
        let points: Vec<Point> = if hiding::sees_people(&call.principal) {
            let values = self.picture.series(figure, which, place.as_deref(), &times);
            let point =
                |(time, value): (&DateTime<Utc>, i64)| Point { time: Some(timestamp(*time)), value, hidden: false };
            times.iter().zip(values).map(point).collect()
        } else {
            // Nothing that an overview of the same moment hides.
            times
                .iter()
                .map(|time| overview::point(&self.picture.as_of(*time), &call, figure, place.as_deref()))
                .collect()
        };
        Ok(Response::new(Series { figure: request.figure, neighbourhood: request.neighbourhood, points }))
    }

    async fn list_figures(
        &self,
        request: Request<ListFiguresRequest>,
    ) -> Result<Response<ListFiguresResponse>, Status> {
        Call::query(&request)?;
        let figures = ALL.iter().zip(WHICH).map(|(figure, which)| figure.message(fold::things(*which).is_some()));
        let figures = figures.collect();
        Ok(Response::new(ListFiguresResponse { figures }))
    }

    async fn list_counted(
        &self,
        request: Request<ListCountedRequest>,
    ) -> Result<Response<ListCountedResponse>, Status> {
        let call = self.query(&request).await?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let figure = figure(&mut fields, &request.figure);
        let neighbourhood = fields.name("neighbourhood", "neighbourhoods", &request.neighbourhood);
        let ((figure, which), neighbourhood) = fields.read(figure.zip(neighbourhood))?;
        let size = usize::try_from(page::size(request.page_size).min(LISTED)).unwrap_or(1);
        let after = page::after(&request.page_token)?;
        let place = self.within_reach(&call, Some(neighbourhood))?.unwrap_or_default();
        let counted = self.picture.counted(which, &place, call.now).ok_or_else(|| not_listed(figure.name))?;
        let mut names: Vec<String> = counted.into_iter().filter(|name| *name > after).take(size + 1).collect();
        let mut next_page_token = String::new();
        if names.len() > size {
            names.truncate(size);
            next_page_token = names.last().map(|last| page::token_after(last)).unwrap_or_default();
        }
        Ok(Response::new(ListCountedResponse { names, next_page_token }))
    }

    async fn list_supply(&self, request: Request<ListSupplyRequest>) -> Result<Response<ListSupplyResponse>, Status> {
        let call = self.query(&request).await?;
        let mut fields = Fields::new();
        let wanted = fields.name_if_given("neighbourhood", "neighbourhoods", &request.get_ref().neighbourhood);
        fields.done()?;
        let place = self.within_reach(&call, wanted)?;
        let supplies = self
            .picture
            .supplies(call.now)
            .into_iter()
            .filter(|(id, ..)| place.as_ref().is_none_or(|place| place == id));
        let supplies = supplies.map(|(id, item, unit, stock, needed)| Supply {
            neighbourhood: format!("neighbourhoods/{id}"),
            item,
            unit,
            stock,
            needed,
        });
        Ok(Response::new(ListSupplyResponse { supplies: supplies.collect() }))
    }

    async fn recount(&self, request: Request<RecountRequest>) -> Result<Response<RecountResponse>, Status> {
        let call = self.query(&request).await?;
        let asked = request.get_ref().time.as_ref();
        let shown = self.shown(&call, "time", asked)?;
        let until = if asked.is_some() { Minute::within(shown.time) } else { Minute::NEVER };
        let recount = proof::recount(&self.feeds, &shown.positions, until).await.map_err(Failure::Fault)?;
        let moment = if asked.is_some() { Minute::within(shown.time) } else { Minute::from(shown.time) };
        let differences = comparison::differences(&shown, &recount.shown(shown.time, moment));
        Ok(Response::new(RecountResponse {
            equal: differences.is_empty(),
            records: recount.records,
            differences,
            positions: shown.positions.into_iter().collect(),
        }))
    }

    async fn rebuild(&self, request: Request<RebuildRequest>) -> Result<Response<RebuildResponse>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.remembered.caught_up(&call).await?;
        let _one = self.rebuilding.lock().await;
        let before = self.picture.live(call.now);
        let began = Instant::now();
        let records = proof::rebuild(&self.feeds, &self.picture).await.map_err(Failure::Fault)?;
        let records = records.ok_or_else(begun_anew)?;
        let after = self.picture.live(call.now);
        Ok(Response::new(RebuildResponse {
            records,
            milliseconds: i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX),
            // What came meanwhile is no difference.
            differences: if before.positions == after.positions {
                comparison::differences(&before, &after)
            } else {
                Vec::new()
            },
        }))
    }
}

impl Api {
    /// A question that is answered once the picture knows what its caller has seen.
    async fn query<T>(&self, request: &Request<T>) -> Result<Call, Status> {
        let call = Call::query(request)?;
        self.remembered.made(AT_THE_START).await;
        self.remembered.caught_up(&call).await?;
        Ok(call)
    }

    fn now(&self, call: &Call) -> DateTime<Utc> {
        self.picture.latest().max(call.now)
    }

    fn shown(&self, call: &Call, field: &str, time: Option<&prost_types::Timestamp>) -> Result<Shown, Status> {
        let Some(time) = time else { return Ok(self.picture.live(call.now)) };
        let (time, mut fields) = (instant(time), Fields::new());
        let past = time.filter(|time| *time <= self.now(call));
        fields.check(field, past.is_some(), "应为过去的时间", "must be a time that is past");
        Ok(self.picture.as_of(fields.read(past)?))
    }

    /// A neighbourhood that the caller may see; everywhere where none is named, or the caller's own.
    fn within_reach(&self, call: &Call, neighbourhood: Option<String>) -> Result<Option<String>, Status> {
        let scope = &call.principal.scope;
        match neighbourhood {
            None => Ok(scope.neighbourhood().map(str::to_owned)),
            Some(id) if scope.allows(&id) && self.picture.knows(&id) => Ok(Some(id)),
            Some(_) => Err(Refusal::new(
                Kind::NotFound,
                reason(contract::Refusal::NotFound.as_str_name()),
                "没有这个社区",
                "there is no such neighbourhood",
            )
            .into()),
        }
    }
}

async fn watch(
    picture: &Picture,
    call: &Call,
    mut seen: BTreeMap<String, u64>,
    sender: &mpsc::Sender<Result<Overview, Status>>,
) {
    // A day may end while somebody watches: time goes on from when the request was made.
    let began = Instant::now();
    let mut minute = None;
    let mut figures = None;
    loop {
        let now = call.now + began.elapsed();
        let positions = picture.positions();
        // A pass may end without a record.
        if positions != seen || minute.is_some_and(|minute| minute != Minute::from(now)) {
            let shown = picture.live(now);
            if positions != seen || figures.as_ref() != Some(&shown.figures) {
                seen.clone_from(&shown.positions);
                if sender.send(Ok(overview::of(&shown, call))).await.is_err() {
                    return;
                }
            }
            figures = Some(shown.figures);
        }
        minute = Some(Minute::from(now));
        tokio::time::sleep(WATCH).await;
    }
}

fn figure(fields: &mut Fields, name: &str) -> Option<(&'static figures::Figure, Which)> {
    let found = ALL.iter().zip(WHICH).find(|(figure, _)| figure.name == name);
    fields.check(
        "figure",
        found.is_some(),
        "没有这项指标：`mifeng command figures` 列出全部名称",
        "is no figure: `mifeng command figures` lists their names",
    );
    found.map(|(figure, which)| (figure, *which))
}

/// The moments of a series, from its beginning on.
fn times(fields: &mut Fields, request: &GetSeriesRequest, now: DateTime<Utc>) -> Option<Vec<DateTime<Utc>>> {
    let step = match request.step_minutes {
        0 => 60,
        asked => fields.number("step_minutes", asked, 1..=1_440)?.into(),
    };
    let start = request.start_time.as_ref().and_then(instant);
    let end = request.end_time.as_ref().map_or(Some(now), instant).map(|end| end.min(now));
    let (Some(start), Some(end)) = (start, end) else {
        fields.refuse("start_time", "必须给出开始时间", "must be the time to begin at");
        return None;
    };
    let points = (end - start).num_minutes() / step + 1;
    fields.check("start_time", start <= end, "应早于结束时间", "must not be after the end");
    fields.check(
        "step_minutes",
        points <= POINTS,
        format!("一次最多 {POINTS} 个点：请加大间隔或缩短时间"),
        format!("would give more than {POINTS} points: take longer steps or a shorter time"),
    );
    (start <= end && points <= POINTS)
        .then(|| (0..points).map(|point| start + TimeDelta::minutes(point * step)).collect())
}

fn not_listed(figure: &str) -> Status {
    Refusal::new(
        Kind::Invalid,
        reason(contract::Refusal::NotListed.as_str_name()),
        "这项指标没有名单：`mifeng command figures` 标出有名单的指标",
        "no list stands behind this figure: `mifeng command figures` marks those that have one",
    )
    .about("figure", figure)
    .into()
}

fn begun_anew() -> Status {
    Refusal::new(
        Kind::Unavailable,
        "MEMORY_BEHIND",
        "有日志刚刚重建，全部指标正在重新计算：请稍候查看",
        "a log was made anew and all figures are being folded from it: look again in a moment",
    )
    .into()
}
