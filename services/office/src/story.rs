//! The eleventh of February 2020 in 长丰二村, played through the same API that every office uses. The story decides who lives
//! there and where they were; every number that it prints comes out of the services.

use std::time::Duration;

use anyhow::Context as _;
use proto::command::v1::{
    Figures, GetOverviewRequest, Overview, RecountRequest, command_service_client::CommandServiceClient,
};

use crate::cast::{Casting, Ids, at};
use plan::{Plan, day};
use telling::Teller;

mod founding;
mod gates;
mod isolation;
mod plan;
mod screening;
mod telling;
mod workbook;

/// What the story goes through with.
struct Story {
    seed: u32,
    plan: Plan,
    casting: Casting,
    ids: Ids,
    teller: Teller,
}

/// Where and how to play.
pub struct Playbill {
    pub address: String,
    /// An administrator's token.
    pub token: String,
    /// The authority that signed the server's certificate (PEM), where it is one of the installation's own.
    pub authority: Option<Vec<u8>>,
    pub seed: u32,
    /// Only the numbers, as one JSON object.
    pub json: bool,
}

/// Plays it. The same seed on the same data is absorbed and gives the same numbers again.
pub async fn play(playbill: Playbill) -> anyhow::Result<serde_json::Value> {
    let ids = Ids::new("story", playbill.seed);
    let casting = Casting::open(&playbill.address, &playbill.token, playbill.authority.as_deref(), ids.clone())?;
    let teller = Teller { quiet: playbill.json };
    let story = Story { seed: playbill.seed, plan: Plan::new(u64::from(playbill.seed)), casting, ids, teller };
    story.casting.demonstration_only(at(day(1, 30), 8, 0)).await?;
    let stage = founding::found(&story).await?;
    story.settled().await?;
    let known = screening::everybody(&story, &stage).await?;
    let mut passes = screening::before(&story, &stage, &known).await?;
    let released = isolation::release_the_four(&story, &stage, &known).await?;
    passes.extend(screening::afternoon(&story, &stage, &known).await?);
    isolation::follow_the_orders(&story, &stage).await?;
    passes.extend(released);
    gates::cross(&story, &stage, &known, &passes).await?;
    story.settled().await?;
    let officer = stage.officer.at(at(day(2, 11), 23, 55));
    let mut command = CommandServiceClient::new(officer);
    let overview =
        command.get_overview(GetOverviewRequest::default()).await.context("asking the command centre")?.into_inner();
    let recount = command.recount(RecountRequest::default()).await.context("recounting the logs")?.into_inner();
    let figures = overview.subdistrict.context("an overview has the subdistrict's figures")?;
    teller.chapter("指挥中心 / the command centre, 2020-02-11 23:55");
    teller.say(table(&overview, &figures));
    let equal = if recount.equal { "the same numbers" } else { "OTHER NUMBERS" };
    teller.say(format_args!("A recount of {} records of the four logs gives {equal}.", recount.records));
    for difference in &recount.differences {
        teller.say(format_args!(
            "{} {}: shown {}, recounted {}",
            difference.neighbourhood, difference.figure, difference.shown, difference.recounted
        ));
    }
    Ok(numbers(&figures, recount.equal))
}

impl Story {
    /// Waits until every service has seen and done what the others' news call for.
    async fn settled(&self) -> anyhow::Result<()> {
        self.casting.settled(Duration::from_mins(2)).await
    }
}

fn table(overview: &Overview, figures: &Figures) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(["figure", "", "of"]);
    let mut row = |name: &str, value: i64, of: String| {
        table.add_row([name.to_owned(), value.to_string(), of]);
    };
    let households = format!("{} households", figures.households);
    let residents = format!("{} residents", figures.residents);
    row("户 households", figures.households, format!("{} neighbourhood(s)", overview.neighbourhoods.len()));
    row("租户 rented", figures.rented, households.clone());
    row("居民 residents", figures.residents, String::new());
    row("已筛查 screened", figures.screened, residents);
    row("  一致 clear", figures.clear, format!("{} screened", figures.screened));
    row("  已申报重点地区 declared key area", figures.declared_key_area, format!("{} screened", figures.screened));
    row("  隐瞒重点地区 concealed key area", figures.concealed, format!("{} screened", figures.screened));
    row("  未申报 undeclared", figures.undeclared, format!("{} screened", figures.screened));
    row("  待核实 to ask", figures.to_ask, format!("{} screened", figures.screened));
    row("持证户 households with a pass", figures.households_with_pass, households.clone());
    row("有效出入证 passes", figures.passes, String::new());
    row("移交集中隔离 handed over", figures.handed_over, "people".into());
    row("居家隔离户 households in home isolation", figures.home_isolation_households, households.clone());
    row("解除隔离户 households released", figures.released_households, households);
    row("进出 crossings today", figures.crossings, String::new());
    row("  拒绝 refused", figures.refused, format!("{} crossings", figures.crossings));
    row("  发热 fevers", figures.fevers, format!("{} crossings", figures.crossings));
    row("违反隔离 breaches", figures.breaches, String::new());
    row("健康观察 under health watch", figures.watched_persons, "people".into());
    table.to_string()
}

fn numbers(figures: &Figures, recount_equal: bool) -> serde_json::Value {
    serde_json::json!({
        "households": figures.households,
        "rented": figures.rented,
        "residents": figures.residents,
        "screened": figures.screened,
        "concealed": figures.concealed,
        "undeclared": figures.undeclared,
        "handed_over": figures.handed_over,
        "households_with_pass": figures.households_with_pass,
        "home_isolation_households": figures.home_isolation_households,
        "released_households": figures.released_households,
        "crossings": figures.crossings,
        "refused": figures.refused,
        "fevers": figures.fevers,
        "recount_equal": recount_equal,
    })
}
