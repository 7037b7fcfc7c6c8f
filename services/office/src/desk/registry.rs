use clap::Subcommand;

#[derive(Subcommand)]
pub enum Command {}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {}
    }
}
