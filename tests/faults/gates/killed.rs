//! `mifeng gate run` as a guard starts it, in a process of its own, killed amid its lines and started again on its folder: each
//! line that it had answered as recorded arrives, once.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use office::gate::{
    enrolment::{Server, enrol},
    watch::Watch,
};
use proto::pass::v1::{OpenEnrolmentRequest, gate_service_client::GateServiceClient};
use tempfile::TempDir;
use tests::{binary, once};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
};

use super::*;

/// Each life of the program takes a temperature of its own, by which its crossings are told apart.
const COOLEST: i32 = 340;
const MOST_LIVES: u32 = 30;

struct Running {
    child: Child,
    keyboard: ChildStdin,
    /// The sequences that it said are recorded.
    answered: Arc<Mutex<Vec<u64>>>,
    listening: JoinHandle<()>,
}

impl Running {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(binary())
            .args(["gate", "run", "-o", "json", "--folder"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let keyboard = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let answered = Arc::new(Mutex::new(Vec::new()));
        let listening = tokio::spawn(listen(lines, Arc::clone(&answered)));
        Self { child, keyboard, answered, listening }
    }

    async fn type_line(&mut self, line: &str) {
        // A line to a program that is being killed is a line that nobody answers.
        drop(self.keyboard.write_all(format!("{line}\n").as_bytes()).await);
        drop(self.keyboard.flush().await);
    }

    fn answers(&self) -> Vec<u64> {
        self.answered.lock().unwrap().clone()
    }

    async fn kill(mut self) -> Vec<u64> {
        self.child.kill().await.unwrap();
        self.listening.await.unwrap();
        self.answered.lock().unwrap().clone()
    }

    /// An orderly end, after everything was sent.
    async fn end(mut self) -> Vec<u64> {
        self.type_line("quit").await;
        let ended = tokio::time::timeout(Duration::from_mins(1), self.child.wait()).await;
        assert!(ended.expect("the gate ends within a minute").unwrap().success());
        self.listening.await.unwrap();
        self.answered.lock().unwrap().clone()
    }
}

async fn listen(mut lines: Lines<BufReader<ChildStdout>>, answered: Arc<Mutex<Vec<u64>>>) {
    while let Ok(Some(line)) = lines.next_line().await {
        let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if said["said"] == "recorded" {
            answered.lock().unwrap().push(said["sequence"].as_u64().unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gate_program_had_answered_before_it_was_killed_arrives_once() {
    let seed = number("MIFENG_FAULT_SEED").unwrap_or_else(rand::random);
    let lives = number("MIFENG_GATE_LIVES").unwrap_or(5).clamp(2, MOST_LIVES);
    let lines = number("MIFENG_GATE_LINES").unwrap_or(40);
    println!("MIFENG_FAULT_SEED={seed} MIFENG_GATE_LIVES={lives} MIFENG_GATE_LINES={lines}");
    let mut dice = StdRng::seed_from_u64(seed.into());
    let street = Street::with_passes(2).await;
    let folder = TempDir::new().unwrap();
    enrolled(&street, folder.path()).await;

    let mut answered: BTreeMap<i32, Vec<u64>> = BTreeMap::new();
    for life in 0..lives {
        let temperature = COOLEST + i32::try_from(life).unwrap();
        let mut gate = Running::start(folder.path());
        let kill_after = dice.random_range(1..=lines);
        for line in 0..lines {
            let reading = format!("{}.{}", temperature / 10, temperature % 10);
            gate.type_line(&match dice.random_range(0..4) {
                0 => format!("{} {reading}", street.passes[0].code),
                1 => format!("visit inspector {reading}"),
                _ => format!("known 老人没有手机 {reading}"),
            })
            .await;
            if line + 1 == kill_after && life + 1 < lives {
                break;
            }
        }
        let last = life + 1 == lives;
        answered.insert(
            temperature,
            if last {
                let all = async || Some(gate.answers()).filter(|answers| answers.len() == lines as usize);
                once("the gate does not answer every line", all).await;
                gate.end().await
            } else {
                // At least one answer, so that there is something to lose; then at any moment.
                once("the gate answers nothing", async || Some(gate.answers()).filter(|answers| !answers.is_empty()))
                    .await;
                tokio::time::sleep(Duration::from_micros(dice.random_range(0..3_000))).await;
                gate.kill().await
            },
        );
    }

    let crossings = street.crossings().await;
    let ids: BTreeSet<&str> = crossings.iter().map(|crossing| crossing.name.as_str()).collect();
    assert_eq!(ids.len(), crossings.len(), "doubled {}", crossings.len() - ids.len());
    let mut lost = 0;
    for (temperature, sequences) in &answered {
        let there: Vec<u64> = crossings
            .iter()
            .filter(|crossing| crossing.temperature_decicelsius == *temperature)
            .map(|crossing| boot_and_sequence(&crossing.name).1)
            .collect();
        for sequence in sequences {
            let times = there.iter().filter(|arrived| *arrived == sequence).count();
            lost += usize::from(times == 0);
            assert!(times <= 1, "{sequence} of the life at {temperature} arrived {times} times");
        }
    }
    let told: usize = answered.values().map(Vec::len).sum();
    println!("| lives {lives} | answered {told} | arrived {} | lost {lost} |", crossings.len());
    assert_eq!(lost, 0, "answered as recorded, and never arrived");
}

/// As `mifeng gate enrol` does it.
async fn enrolled(street: &Street, folder: &Path) {
    let mut office = GateServiceClient::new(street.village.worker(&street.house));
    let gate = street.village.gate.clone();
    let request = OpenEnrolmentRequest { request_id: new_request_id(), gate, ..OpenEnrolmentRequest::default() };
    let code = office.open_enrolment(request).await.unwrap().into_inner().code;
    let server = Server { address: street.house.address().to_owned(), authority: None };
    let station = enrol(folder, server, street.house.anybody(), &code, None, Watch::of_this_machine()).await;
    drop(station.unwrap());
}
