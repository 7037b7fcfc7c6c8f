#![expect(clippy::print_stdout, reason = "scratch")]
#[path = "../../../tests/bench/log.rs"]
mod log;
#[derive(clap::Parser)]
struct A { #[command(flatten)] o: log::Options }
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let a = <A as clap::Parser>::parse();
    for (k, v) in log::measure(a.o).await? { println!("{k:<32} {v:>14}"); }
    Ok(())
}
