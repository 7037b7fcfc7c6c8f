use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, ensure};
use chassis::client::{Connection, new_request_id};
use proto::pass::v1::{
    EnrolDeviceRequest, GetKeySetRequest, gate_service_client::GateServiceClient,
    verification_service_client::VerificationServiceClient,
};

use super::{
    centre::{Line, exchange},
    folder::{Settings, root},
    journal::Journal,
    station::Station,
    watch::Watch,
};

/// Where the gate will find the centre.
pub struct Server {
    pub address: String,
    pub authority: Option<PathBuf>,
}

/// Spends a code, and makes the folder of a gate that holds keys and the list. `connection`: without a token. `printed`: the root
/// as it was printed; without it the server is believed this once.
///
/// # Errors
/// The server's refusal; another root than the printed one; a folder that holds crossings of another device.
pub async fn enrol(
    folder: &Path,
    server: Server,
    connection: Connection,
    code: &str,
    printed: Option<&str>,
    watch: Watch,
) -> anyhow::Result<Station> {
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    let before = Settings::read(folder).ok();
    let request = EnrolDeviceRequest { request_id: new_request_id(), code: code.to_owned() };
    let enrolled = GateServiceClient::new(connection.clone()).enrol_device(request).await?.into_inner();
    let gate =
        enrolled.gate.context("the server says nothing about the gate: are client and server of one version?")?;
    // What waits there was numbered by that device: another one would have it on record twice.
    let kept = before.as_ref().is_none_or(|before| before.device == gate.device);
    ensure!(
        kept || Journal::peek(folder)?.is_empty(),
        "the folder {} belongs to another device and holds what was not sent yet: let that one send it, or have the office \
         open another code and name another folder with --folder",
        folder.display()
    );
    let connection = connection.with_token(&gate.token)?;
    let keys = VerificationServiceClient::new(connection.clone()).get_key_set(GetKeySetRequest {}).await;
    let keys = keys.context("asking for the keys: have the office open another code with --again, and repeat")?;
    let trusted = keys.into_inner().root;
    if let Some(printed) = printed {
        ensure!(
            printed.eq_ignore_ascii_case(&trusted),
            "the server's root {trusted} is not the one that was printed: do not use this server"
        );
    }
    ensure!(root(&trusted).is_some(), "the server's root {trusted:?} is no key");
    let settings = Settings {
        address: server.address,
        authority: server.authority,
        token: gate.token.clone(),
        device: gate.device.clone(),
        gate: gate.name.clone(),
        root: trusted,
        ..before.filter(|before| before.device == gate.device).unwrap_or_default()
    };
    settings.write(folder)?;
    let station = Mutex::new(Station::open(folder, watch)?);
    exchange(&station, &mut Line(connection)).await?;
    Ok(station.into_inner().unwrap_or_else(PoisonError::into_inner))
}
