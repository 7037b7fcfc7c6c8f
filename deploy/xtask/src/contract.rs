use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, ensure};

use crate::{
    process::{self, Outcome, cargo},
    report::Ending,
    tools::{self, Buf},
};

/// The contract that was frozen last, as buf's image without comments. It lies beside the protos.
const BASELINE: &str = ".baseline.binpb";

/// Style, and that today's contract breaks nothing of the frozen one and was frozen itself: what is not frozen can be
/// broken without anybody noticing.
pub(crate) fn check(root: &Path) -> anyhow::Result<Ending> {
    let program = match tools::buf()? {
        Buf::Ready(program) => program,
        Buf::Missing(why) => return Ok(Ending::Skipped(why)),
    };
    if !buf(root, &program, &["lint"])?.success {
        return Ok(Ending::Failed("the contract's style: see above".to_owned(), None));
    }
    if !buf(root, &program, &["breaking", "--against", BASELINE])?.success {
        return Ok(Ending::Failed("the contract breaks what was frozen: see above".to_owned(), None));
    }
    let frozen = fs::read(root.join("proto").join(BASELINE)).context("reading the frozen contract")?;
    if image(root, &program)? != frozen {
        let why = "the contract has grown: `cargo xtask contract freeze`, and commit what it writes";
        return Ok(Ending::Failed(why.to_owned(), None));
    }
    Ok(Ending::Passed(None))
}

/// Makes today's contract the frozen one. Golden files that exist are never written again.
pub(crate) fn freeze(root: &Path, even_breaking: bool) -> anyhow::Result<ExitCode> {
    let program = match tools::buf()? {
        Buf::Ready(program) => program,
        Buf::Missing(why) => anyhow::bail!(why),
    };
    ensure!(buf(root, &program, &["lint"])?.success, "the contract's style comes first: see above");
    let baseline = root.join("proto").join(BASELINE);
    if baseline.exists() && !even_breaking {
        let holds = buf(root, &program, &["breaking", "--against", BASELINE])?.success;
        ensure!(holds, "this contract breaks the frozen one: keep what is there and add to it");
    }
    fs::write(&baseline, image(root, &program)?).context("writing the frozen contract")?;
    println!("frozen: proto/{BASELINE}");
    let mut bless = cargo();
    bless.args(["test", "--package", "tests", "--test", "architecture", "golden"]).env("MIFENG_BLESS", "1");
    let blessed = process::watch(bless.current_dir(root))?;
    Ok(if blessed.success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn buf(root: &Path, program: &Path, arguments: &[&str]) -> anyhow::Result<Outcome> {
    let mut command = Command::new(program);
    process::watch(command.args(arguments).args(["--config", ".buf.yaml"]).current_dir(root.join("proto")))
}

fn image(root: &Path, program: &Path) -> anyhow::Result<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(["build", "--config", ".buf.yaml", "--exclude-source-info", "--output", "-#format=binpb"]);
    let output = command.current_dir(root.join("proto")).output().context("starting buf")?;
    ensure!(output.status.success(), "buf could not read the contract: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
