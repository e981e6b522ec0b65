//! From a name to an image that is here: what this machine has, what the operator's table says, and else the registry. One
//! pull of an image serves everybody who waits for it; its layers come side by side, each unpacked while it arrives.
//! A pull goes on when the job that began it is stopped.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use airlock_sandbox::FileLock;
use airlock_transport::registry::{
    BlobRef, ImageManifest, ImageReference, RegistryClient, RegistryError, RegistryLogin, platform,
};
use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::layers::{Claim, DiffId, LayerError, LayerWork, Travelling, most_bytes};
use super::pulled::{PulledRecord, seconds};
use super::{
    BASE_IMAGE, ImageDir, ImageError, ImageRecord, ImageStore, MACHINE_IMAGE, Progress, build_progress,
    config,
};
use crate::limits;
use crate::reporter::now;

/// Images that Airlock builds by itself.
const OWN_IMAGES: [&str; 2] = [BASE_IMAGE, MACHINE_IMAGE];

/// Hears how far a pull or a build is.
pub type Tell = Arc<dyn Fn(Progress) + Send + Sync>;

/// What is to be done for a name.
enum Found {
    Here(Box<ImageDir>),
    /// One of Airlock's own images is not built yet.
    Own(String),
    /// The registry is asked; what is here already serves when it does not answer.
    Ask(ImageReference, RegistryLogin),
}

impl ImageStore {
    /// The image of this name: built, imported, mapped or pulled. Pulls it if it is not here or its tag was not looked up
    /// for a while.
    pub async fn obtain(
        &self,
        name: &str,
        login: &RegistryLogin,
        tell: Tell,
    ) -> Result<ImageDir, ImageError> {
        let (store, wanted, who) = (self.clone(), name.to_owned(), login.clone());
        let found = blocking(move || store.find(&wanted, &who)).await?;
        match found {
            Found::Here(image) => Ok(*image),
            Found::Own(name) => {
                let store = self.clone();
                blocking(move || {
                    let mut told = |Progress { percent, phase }| {
                        let phase = format!("{name} is being built: {phase}");
                        tell(Progress { percent, phase });
                    };
                    if name == MACHINE_IMAGE {
                        store.ensure_machine(&mut told)
                    } else {
                        store.ensure_base(&mut told)
                    }
                })
                .await
            }
            Found::Ask(reference, login) => self.pull(reference, login, tell).await,
        }
    }

    /// Asks the registry, whatever is here, and pulls what is new.
    pub async fn pull(
        &self,
        reference: ImageReference,
        login: RegistryLogin,
        tell: Tell,
    ) -> Result<ImageDir, ImageError> {
        let pull = Pull {
            store: self.clone(),
            reference,
            login,
            tell,
        };
        // Of its own: who asked may be stopped, and others wait for it.
        match tokio::spawn(pull.run()).await {
            Ok(done) => done,
            Err(error) => Err(ended(error)),
        }
    }

    /// Whether this machine itself says what the name means: an image that is here, or the operator's table.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.settings.mapped(name).is_some() || self.resolve(name).is_ok()
    }

    /// The same, with the images that are built when they are wanted.
    pub(crate) fn knows(&self, name: &str) -> bool {
        OWN_IMAGES.contains(&name) || self.is_named(name)
    }

    fn find(&self, wanted: &str, login: &RegistryLogin) -> Result<Found, ImageError> {
        if let Some(image) = self.local(wanted)? {
            return Ok(Found::Here(Box::new(image)));
        }
        let mapped = self.settings.mapped(wanted);
        if let Some(mapped) = &mapped
            && let Some(image) = self.local(mapped)?
        {
            return Ok(Found::Here(Box::new(image)));
        }
        let name = mapped.as_deref().unwrap_or(wanted);
        if OWN_IMAGES.contains(&name) {
            return Ok(Found::Own(name.to_owned()));
        }
        let reference: ImageReference = name.parse().map_err(RegistryError::from)?;
        // A password is for the registry that the config names, not for the one that stands in for it.
        let same = |named: &str| {
            named
                .parse::<ImageReference>()
                .is_ok_and(|named| named.registry() == reference.registry())
        };
        let login = if mapped.is_none() || same(wanted) {
            login.clone()
        } else {
            RegistryLogin::Anonymous
        };
        let key = self.pull_key(&reference, &login)?;
        match self.find_pulled(&key)? {
            Some((pulled, image)) if self.is_fresh(&reference, &pulled) => Ok(Found::Here(Box::new(image))),
            Some(_) | None => Ok(Found::Ask(reference, login)),
        }
    }

    /// A digest stays what it is; a tag may move.
    fn is_fresh(&self, reference: &ImageReference, pulled: &PulledRecord) -> bool {
        let age = seconds(SystemTime::now()).checked_sub(pulled.asked_at);
        reference.digest().is_some() || age.is_some_and(|age| age < self.settings.refresh().as_secs())
    }
}

/// One pull.
struct Pull {
    store: ImageStore,
    reference: ImageReference,
    login: RegistryLogin,
    tell: Tell,
}

impl Pull {
    async fn run(self) -> Result<ImageDir, ImageError> {
        let (store, reference, login) = (self.store.clone(), self.reference.clone(), self.login.clone());
        let key = blocking(move || store.pull_key(&reference, &login)).await?;
        let (store, name, tell) = (self.store.clone(), key.text.clone(), Arc::clone(&self.tell));
        let lock = blocking(move || store.lock_name(&name, &mut |progress| tell(progress))).await?;
        let (store, own) = (self.store.clone(), key.clone());
        let before = blocking(move || store.find_pulled(&own)).await?;
        // Whoever had the lock has just asked.
        let shared = lock.waited
            && before
                .as_ref()
                .is_some_and(|(pulled, _)| self.store.is_fresh(&self.reference, pulled));
        if shared && let Some((_, image)) = before {
            return Ok(image);
        }
        let told = lock.told.clone();
        let tell = |progress: Progress| {
            build_progress::write(&told, &progress);
            (self.tell)(progress);
        };
        let client = self.client().await?;
        let asked_at = seconds(SystemTime::now());
        let manifest = match client.manifest(&self.reference).await {
            Ok(manifest) => manifest,
            Err(error) => match before {
                Some((pulled, image)) if error.passes() => {
                    let phase = format!("{error}; using what was pulled {}", pulled.record.created_at);
                    tell(Progress { percent: 100, phase });
                    return Ok(image);
                }
                Some(_) | None => return Err(error.into()),
            },
        };
        if let Some((pulled, image)) = before
            && pulled.record.digest == bare(&manifest.digest)
        {
            let pulled = PulledRecord { asked_at, ..pulled };
            let store = self.store.clone();
            blocking(move || store.keep_pulled(&key, &pulled)).await?;
            return Ok(image);
        }
        let image = self.fetch(&client, &manifest, &key.who, &tell).await?;
        let pulled = PulledRecord {
            record: image.record.clone(),
            asked_at,
        };
        let store = self.store.clone();
        blocking(move || {
            store.keep_pulled(&key, &pulled)?;
            let removed = store.collect(SystemTime::now())?;
            if removed > 0 {
                tracing::info!(bytes = removed, "images beyond quota or age were removed");
            }
            Ok(())
        })
        .await?;
        Ok(image)
    }

    async fn client(&self) -> Result<Arc<RegistryClient>, ImageError> {
        let (options, login) = (self.store.settings.registries(), self.login.clone());
        blocking(move || Ok(Arc::new(RegistryClient::new(options, login)?))).await
    }

    async fn fetch(
        &self,
        client: &Arc<RegistryClient>,
        manifest: &ImageManifest,
        who: &str,
        tell: &(impl Fn(Progress) + Sync),
    ) -> Result<ImageDir, ImageError> {
        let shown = self.reference.to_string();
        let wrong = |problem: String| ImageError::Pull {
            image: shown.clone(),
            problem,
        };
        let json = client
            .small_blob(manifest, &manifest.config, limits::IMAGE_CONFIG_BYTES)
            .await?;
        let config::Read {
            platform: of_image,
            config,
            layers,
        } = config::read(&json).map_err(wrong)?;
        if of_image != platform() {
            return Err(RegistryError::Platform {
                image: shown.clone(),
                have: vec![of_image],
            }
            .into());
        }
        if layers.len() != manifest.layers.len() || layers.is_empty() {
            return Err(wrong(format!(
                "its manifest has {} layers and its configuration {}",
                manifest.layers.len(),
                layers.len()
            )));
        }
        let mut wanted: Vec<Layer> = Vec::new();
        for (id, blob) in layers.iter().zip(&manifest.layers) {
            // Becomes the name of a file.
            let digest = DiffId::parse(&blob.digest)
                .ok_or_else(|| wrong(format!("its layer '{}' has no sha256 digest", blob.digest)))?;
            let from = Travelling {
                digest,
                who: who.to_owned(),
            };
            let (id, blob) = (id.clone(), blob.clone());
            match wanted.iter().find(|known| known.id == id) {
                None => wanted.push(Layer { id, blob, from }),
                // The same layer twice is one; whatever else claims to be it need not be fetched, as it is not used.
                Some(_known) => {}
            }
        }
        let mut tries = 0;
        loop {
            let held = self.layers(client, manifest, &wanted, tell).await?;
            let record = ImageRecord {
                name: shown.clone(),
                digest: bare(&manifest.digest),
                size: self.store.size_of(&layers),
                origin: format!("pulled as {}", self.reference.pinned(&manifest.pinned)),
                created_at: now().to_rfc3339(),
                layers: layers.clone(),
                config: config.clone(),
            };
            let store = self.store.clone();
            let image = blocking(move || store.hold(&record)).await?;
            drop(held);
            tries += 1;
            match image {
                Some(image) => return Ok(image),
                None if tries < limits::PULL_TRIES => {}
                None => return Err(wrong("its layers are removed as fast as they come".into())),
            }
        }
    }

    /// All layers, side by side; they stay while the answer lives.
    async fn layers(
        &self,
        client: &Arc<RegistryClient>,
        manifest: &ImageManifest,
        wanted: &[Layer],
        tell: &(impl Fn(Progress) + Sync),
    ) -> Result<Vec<FileLock>, ImageError> {
        let count = wanted.len();
        let all: u64 = wanted
            .iter()
            .fold(0, |sum, layer| sum.saturating_add(layer.blob.size));
        let arrived = Arc::new(AtomicU64::new(0));
        let line = Arc::new(Semaphore::new(limits::LAYERS_AT_ONCE));
        let given_up = CancellationToken::new();
        let mut coming = JoinSet::new();
        for Layer { id, blob, from } in wanted.iter().cloned() {
            let layer = LayerPull {
                store: self.store.clone(),
                client: Arc::clone(client),
                manifest: manifest.clone(),
                image: self.reference.to_string(),
                id,
                blob,
                from,
                arrived: Arc::clone(&arrived),
                given_up: given_up.clone(),
            };
            let line = Arc::clone(&line);
            coming.spawn(async move {
                let turn = line.acquire_owned();
                // Closed by nobody.
                let _turn = tokio::select! {
                    turn = turn => turn,
                    () = layer.given_up.cancelled() => return Err(layer.stopped().into()),
                };
                let size = layer.blob.size;
                layer
                    .run()
                    .await
                    .map(|(held, fetched)| (held, fetched.then_some(size)))
            });
        }
        let at = |phase: &str| Progress {
            percent: percent(arrived.load(Ordering::Relaxed), all),
            phase: phase.to_owned(),
        };
        let mut phase = format!(
            "Pulling {}: {count} layer{}, {} MB",
            self.reference,
            if count == 1 { "" } else { "s" },
            megabytes(all)
        );
        tell(at(&phase));
        let (mut held, mut failed) = (Vec::new(), None);
        let mut tick = tokio::time::interval(limits::IMAGE_POLL);
        loop {
            let ended = tokio::select! {
                ended = coming.join_next() => ended,
                _ = tick.tick() => { tell(at(&phase)); continue }
            };
            let Some(ended) = ended else { break };
            let (lock, fetched) = match ended.map_err(super::pull::ended).and_then(|done| done) {
                Ok(done) => done,
                Err(error) => {
                    // The others are of no use now. They end before this is told, so that nothing is left on its way.
                    given_up.cancel();
                    failed.get_or_insert(error);
                    continue;
                }
            };
            held.push(lock);
            phase = match fetched {
                Some(size) => format!("layer {} of {count}: {} MB, stored", held.len(), megabytes(size)),
                None => format!("layer {} of {count}: was here already", held.len()),
            };
            tell(at(&phase));
        }
        failed.map_or(Ok(held), Err)
    }
}

/// One layer of an image.
#[derive(Debug, Clone)]
struct Layer {
    /// What the configuration says it is when unpacked.
    id: DiffId,
    blob: BlobRef,
    from: Travelling,
}

/// One layer on its way.
struct LayerPull {
    store: ImageStore,
    client: Arc<RegistryClient>,
    manifest: ImageManifest,
    image: String,
    id: DiffId,
    blob: BlobRef,
    from: Travelling,
    arrived: Arc<AtomicU64>,
    /// Another layer of the image failed.
    given_up: CancellationToken,
}

impl LayerPull {
    /// The layer, and whether it had to be fetched.
    async fn run(self) -> Result<(FileLock, bool), ImageError> {
        let mut tries = 1;
        loop {
            let before = self.arrived.load(Ordering::Relaxed);
            let (store, id, from) = (self.store.clone(), self.id.clone(), self.from.clone());
            let work = match blocking(move || store.claim_layer(&id, &from)).await? {
                Claim::Here(held) => {
                    self.arrived.fetch_add(self.blob.size, Ordering::Relaxed);
                    return Ok((held, false));
                }
                Claim::Ours(work) => work,
            };
            match self.fetch(work).await {
                Ok(held) => return Ok((held, true)),
                Err(ImageError::Registry(error))
                    if error.passes() && tries < limits::PULL_TRIES && !self.given_up.is_cancelled() =>
                {
                    tracing::info!(%error, tries, "a layer is asked for again");
                    let arrived = self.arrived.load(Ordering::Relaxed);
                    // Others count as well; what is shown may be short by theirs for a moment.
                    self.arrived.store(before.min(arrived), Ordering::Relaxed);
                    tries += 1;
                    tokio::time::sleep(limits::PULL_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn fetch(&self, work: LayerWork) -> Result<FileLock, ImageError> {
        let mut stream = self.client.blob(&self.manifest, &self.blob).await?;
        let (send, pieces) = mpsc::channel(limits::LAYER_PIECES);
        let most = most_bytes(self.store.settings.quota_bytes());
        let unpacking = tokio::task::spawn_blocking(move || work.finish(Pieces::new(pieces), most));
        let mut size = 0;
        let came = loop {
            let next = tokio::select! {
                next = stream.next() => next,
                () = self.given_up.cancelled() => Err(self.stopped()),
            };
            match next {
                Ok(Some(piece)) => {
                    let count = piece.len() as u64;
                    size += count;
                    if size > self.blob.size {
                        break Err(self.damaged(format!("it is larger than {} bytes", self.blob.size)));
                    }
                    self.arrived.fetch_add(count, Ordering::Relaxed);
                    // The other end says itself why it takes no more.
                    if send.send(Piece::Bytes(piece)).await.is_err() {
                        break Ok(());
                    }
                }
                Ok(None) if size < self.blob.size => {
                    break Err(self.damaged(format!("it is {size} bytes long instead of {}", self.blob.size)));
                }
                Ok(None) => {
                    // As above.
                    let _refused = send.send(Piece::End).await;
                    break Ok(());
                }
                Err(error) => break Err(error),
            }
        };
        drop(send);
        // Ended either way before an answer is given: nothing is left behind.
        let unpacked = unpacking.await.map_err(ended)?;
        came?;
        unpacked.map_err(|error| match error {
            LayerError::Store(error) => *error,
            error @ (LayerError::Unpack(_) | LayerError::Compression(_) | LayerError::DiffId { .. }) => {
                ImageError::Layer {
                    image: self.image.clone(),
                    digest: self.blob.digest.clone(),
                    problem: error.to_string(),
                }
            }
        })
    }

    fn stopped(&self) -> RegistryError {
        RegistryError::Broken {
            image: self.image.clone(),
            registry: "the registry".into(),
            problem: "given up, as another layer failed".into(),
        }
    }

    fn damaged(&self, problem: String) -> RegistryError {
        RegistryError::Damaged {
            image: self.image.clone(),
            digest: self.blob.digest.clone(),
            problem,
        }
    }
}

enum Piece {
    Bytes(Bytes),
    /// The whole was what its digest says.
    End,
}

/// What arrives, as a thread reads it. Ends only where the sender said so.
struct Pieces {
    from: mpsc::Receiver<Piece>,
    now: Bytes,
    over: bool,
}

impl Pieces {
    fn new(from: mpsc::Receiver<Piece>) -> Self {
        Self {
            from,
            now: Bytes::new(),
            over: false,
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() && !self.over {
            match self.from.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.now = bytes,
                Some(Piece::End) => self.over = true,
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it broke off")),
            }
        }
        let count = buffer.len().min(self.now.len());
        buffer[..count].copy_from_slice(&self.now.split_to(count));
        Ok(count)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    tokio::task::spawn_blocking(work).await.map_err(ended)?
}

fn ended(error: tokio::task::JoinError) -> ImageError {
    ImageError::Io {
        doing: "finishing work on",
        path: "an image".into(),
        source: io::Error::other(error),
    }
}

fn bare(digest: &str) -> String {
    digest.strip_prefix("sha256:").unwrap_or(digest).to_owned()
}

fn percent(part: u64, all: u64) -> u8 {
    u8::try_from((part.saturating_mul(100) / all.max(1)).min(100)).unwrap_or(100)
}

/// With one decimal below ten.
fn megabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    if tenths < 100 {
        format!("{}.{}", tenths / 10, tenths % 10)
    } else {
        (tenths / 10).to_string()
    }
}
