//! The command centre's desk: what all the neighbourhoods look like together, now, at a past minute and over time, and the proof
//! that it is right.

/// Alarms, and who looks after them.
mod alarms;
/// Forms, reports, questions.
pub mod report;
/// One overview on a screen.
mod board;
/// What one figure was over time, what it means, and whom it counts.
mod figures;
/// Now, then, as it changes, and proved.
mod overview;

use clap::Subcommand;

#[derive(Subcommand)]
pub enum Command {
    /// The command centre
    #[command(subcommand)]
    Command(Centre),
}

#[derive(Subcommand)]
pub enum Centre {
    /// All neighbourhoods as they are now, or as they were known at a past minute
    #[command(
        after_help = "Examples:\n  mifeng command overview\n  mifeng command overview --as-of 2020-02-11T03:12\n  mifeng command \
                            overview --neighbourhood neighbourhoods/0190..."
    )]
    Overview(overview::Show),
    /// The overview again whenever it changes
    #[command(
        after_help = "Example:\n  mifeng command watch --after registry=1729,screening=4000,pass=900,isolation=12 -o json"
    )]
    Watch(overview::Watch),
    /// Two moments side by side
    #[command(after_help = "Example:\n  mifeng command compare 2020-02-10T20:00 2020-02-11T20:00")]
    Compare(overview::Compare),
    /// One figure over time
    #[command(after_help = "Example:\n  mifeng command series crossings --from 2020-02-11T00:00 --every 60")]
    Series(figures::Over),
    /// What every figure means, and what it is a part of
    Figures(figures::List),
    /// Who or what a figure of a neighbourhood counts now
    #[command(after_help = "Example:\n  mifeng command counted needs_late --neighbourhood neighbourhoods/0190...")]
    Counted(figures::Counted),
    /// What lies in stock and what open needs ask for
    Supply(figures::Supplies),
    /// What somebody must look at, the newest first
    #[command(after_help = "Example:\n  mifeng command alarms\n  mifeng command alarms --all --export alarms.xlsx")]
    Alarms(Box<alarms::List>),
    /// One alarm: shown, acknowledged, assigned, closed; and the rules of all
    #[command(subcommand)]
    Alarm(alarms::Command),
    #[command(flatten)]
    Report(Box<report::Command>),
    /// Folds the logs afresh and compares every figure
    #[command(after_help = "Examples:\n  mifeng command recount\n  mifeng command recount --as-of 2020-02-11T03:12")]
    Recount(overview::Recount),
    /// Folds the logs afresh and shows what comes of it; until then the old figures are answered with
    Rebuild(overview::Rebuild),
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        let Self::Command(centre) = self;
        match centre {
            Centre::Overview(show) => show.run().await,
            Centre::Watch(watch) => watch.run().await,
            Centre::Compare(compare) => compare.run().await,
            Centre::Series(over) => over.run().await,
            Centre::Figures(list) => list.run().await,
            Centre::Counted(counted) => counted.run().await,
            Centre::Supply(supplies) => supplies.run().await,
            Centre::Alarms(list) => list.run().await,
            Centre::Alarm(command) => command.run().await,
            Centre::Report(command) => command.run().await,
            Centre::Recount(recount) => recount.run().await,
            Centre::Rebuild(rebuild) => rebuild.run().await,
        }
    }
}
