//! How far everybody on record was judged by a version of the method.

use std::time::Duration;

use clap::Args;
use proto::screening::v1::{
    GetRescreeningRequest, Rescreening as Progress, method_service_client::MethodServiceClient, rescreening::State,
};

use crate::{
    desk::{ask::Ask, typed},
    output::{local_time, print, table, word},
};

#[derive(Args)]
pub struct Rescreening {
    /// By default the one in force
    #[arg(value_parser = typed::name("methods"))]
    method: Option<String>,
    /// Shows it again until it is done
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    ask: Ask,
}

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

impl Rescreening {
    pub async fn run(self) -> anyhow::Result<()> {
        let mut client = MethodServiceClient::new(self.ask.connection()?);
        let mut shown = None;
        loop {
            let request = GetRescreeningRequest { name: self.method.clone().unwrap_or_default() };
            let progress = client.get_rescreening(request).await?.into_inner();
            if shown.as_ref() != Some(&progress) {
                show(&self.ask, &progress)?;
            }
            if !self.wait || matches!(progress.state(), State::Done | State::Overtaken) {
                return Ok(());
            }
            shown = Some(progress);
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn show(ask: &Ask, progress: &Progress) -> anyhow::Result<()> {
    if ask.output.is_json() {
        return ask.show(progress);
    }
    print(&told(progress))?;
    if progress.set_aside > 0 {
        print(&set_aside(progress.set_aside))?;
        let cases = progress.set_aside_cases.iter();
        print(&cases.map(|case| format!("  {} of {}", case.case, case.resident)).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(())
}

/// What somebody has to do about cases that do not open.
pub fn set_aside(count: impl std::fmt::Display) -> String {
    format!(
        "{count} could not be judged anew, since what was said or seen does not open; their verdicts stand as they were. \
         Screen these residents again with `mifeng case open RESIDENT --occasion ...`; `mifeng method set-aside` lists all"
    )
}

fn told(progress: &Progress) -> String {
    let mut table = table();
    table.set_header(["method", "state", "done", "changed", "set aside", "begun", "ended"]);
    table.add_row([
        progress.method.clone(),
        word(progress.state().as_str_name()).to_owned(),
        format!("{} of {}", progress.done, progress.cases),
        progress.changed.to_string(),
        progress.set_aside.to_string(),
        local_time(progress.begin_time.as_ref()),
        local_time(progress.end_time.as_ref()),
    ]);
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_cases() {
        let progress = Progress { cases: 150_000, done: 8_000, changed: 12, ..Progress::default() };
        let told = told(&Progress { state: State::Running.into(), ..progress });
        assert!(told.contains("8000 of 150000") && told.contains("running"), "{told}");
    }
}
