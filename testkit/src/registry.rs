//! A real container registry for one test, on a port the kernel picks, and images to put into it: made by umoci as people
//! make them, or written blob by blob where no tool would make what a test needs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::limits::PATIENCE;
use crate::run::Run;
use crate::watch::Watched;

/// A user of a registry that wants signing in.
const USER: &str = "puller";

/// A running registry; ended when dropped. Its blobs lie in its folder.
#[derive(Debug)]
pub struct Registry {
    watched: Watched,
    folder: PathBuf,
    address: String,
    /// What skopeo signs in with.
    login: Option<PathBuf>,
}

impl Registry {
    /// Starts one that anybody may use.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::with(folder, None)
    }

    /// Starts one that wants the user `puller` and this password.
    pub fn with_password(folder: &Path, password: &str) -> Result<Self> {
        Self::with(folder, Some(password))
    }

    fn with(folder: &Path, password: Option<&str>) -> Result<Self> {
        std::fs::create_dir_all(folder).context("making the registry's folder")?;
        let shown = folder.display();
        let mut config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {shown}/data}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n"
        );
        if let Some(password) = password {
            let line = Run::new("htpasswd")
                .args(["-nBi", USER])
                .directory(folder)
                .input(password)
                .finish()?
                .success()?;
            std::fs::write(folder.join("users"), line.stdout.trim()).context("writing the users")?;
            let _infallible = writeln!(config, "auth: {{htpasswd: {{realm: test, path: {shown}/users}}}}");
        }
        let file = folder.join("config.yml");
        std::fs::write(&file, config).context("writing the registry's configuration")?;
        let run = Run::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .directory(folder);
        let mut watched = Watched::start(&run)?;
        let line = watched.wait_for_line("the registry's address", PATIENCE, |line| {
            line.text.contains("listening on")
        })?;
        let address = line
            .text
            .split("listening on ")
            .nth(1)
            .and_then(|rest| rest.split(['"', ' ', ',']).next())
            .context("the registry says no address")?
            .to_owned();
        let login = match password {
            None => None,
            Some(password) => {
                let encoded = Run::new("base64")
                    .arg("--wrap=0")
                    .directory(folder)
                    .input(format!("{USER}:{password}"))
                    .finish()?
                    .success()?;
                let file = folder.join("login.json");
                let text = format!(r#"{{"auths":{{"{address}":{{"auth":"{}"}}}}}}"#, encoded.stdout);
                std::fs::write(&file, text).context("writing the login")?;
                Some(file)
            }
        };
        Ok(Self {
            watched,
            folder: folder.to_owned(),
            address,
            login,
        })
    }

    /// `127.0.0.1:<port>`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The whole name of an image in it.
    pub fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.address)
    }

    /// How often a path was read from it so far.
    pub fn requests(&self, path: &str) -> usize {
        let transcript = self.watched.transcript();
        transcript
            .lines()
            .filter(|line| {
                let read = line.contains("response completed") && line.contains("http.request.method=GET");
                read && line.contains(path)
            })
            .count()
    }

    /// Puts an image of a layout into it, with further flags of skopeo.
    pub fn push(&self, layout: &OciLayout, tag: &str, image: &str, flags: &[&str]) -> Result<()> {
        let mut copy = Run::new("skopeo")
            .args(["copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false"])
            .args(flags)
            .directory(&self.folder);
        if let Some(login) = &self.login {
            copy = copy.arg("--dest-authfile").arg(login);
        }
        copy.arg(format!("oci:{}:{tag}", layout.folder.display()))
            .arg(format!("docker://{}", self.name(image)))
            .finish()?
            .success()?;
        Ok(())
    }

    /// The file a blob lies in, to damage it.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        let start = hex.get(..2).unwrap_or_default();
        self.folder
            .join("data/docker/registry/v2/blobs/sha256")
            .join(start)
            .join(hex)
            .join("data")
    }

    /// The user's name where it wants signing in.
    pub fn user() -> &'static str {
        USER
    }

    /// Ends it; what it keeps stays.
    pub fn stop(mut self) -> Result<()> {
        self.watched.stop()?;
        Ok(())
    }
}

/// One blob of a layout.
#[derive(Clone, Debug)]
pub struct Blob {
    /// `sha256:…`
    pub digest: String,
    /// In bytes.
    pub size: usize,
}

/// Images in a folder, as OCI tools exchange them.
#[derive(Debug)]
pub struct OciLayout {
    folder: PathBuf,
    tags: Vec<String>,
}

impl OciLayout {
    /// An empty one.
    pub fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder.join("blobs/sha256")).context("making a layout")?;
        std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        let layout = Self {
            folder: folder.to_owned(),
            tags: Vec::new(),
        };
        layout.write_index()?;
        Ok(layout)
    }

    fn write_index(&self) -> Result<()> {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, self.tags.join(","));
        std::fs::write(self.folder.join("index.json"), text).context("writing index.json")
    }

    /// Keeps bytes under their digest.
    pub fn blob(&self, bytes: &[u8]) -> Result<Blob> {
        let digest = sha256(bytes)?;
        let file = self
            .folder
            .join("blobs/sha256")
            .join(digest.trim_start_matches("sha256:"));
        std::fs::write(file, bytes).context("writing a blob")?;
        Ok(Blob {
            digest,
            size: bytes.len(),
        })
    }

    /// An image of these archives, lowest first, with this configuration (JSON of the container's part).
    pub fn image(&mut self, tag: &str, platform: &str, layers: &[Vec<u8>], container: &str) -> Result<Blob> {
        let diff_ids = layers
            .iter()
            .map(|layer| sha256(layer))
            .collect::<Result<Vec<_>>>()?;
        self.image_claiming(tag, platform, layers, &diff_ids, container)
    }

    /// The same, with what the configuration says the layers are when unpacked.
    pub fn image_claiming(
        &mut self,
        tag: &str,
        platform: &str,
        layers: &[Vec<u8>],
        diff_ids: &[String],
        container: &str,
    ) -> Result<Blob> {
        let (os, architecture) = platform
            .split_once('/')
            .context("a platform is os/architecture")?;
        let quoted: Vec<String> = diff_ids.iter().map(|id| format!("\"{id}\"")).collect();
        let config = self.blob(
            format!(
                r#"{{"os":"{os}","architecture":"{architecture}","config":{container},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
                quoted.join(",")
            )
            .as_bytes(),
        )?;
        let layers = layers
            .iter()
            .map(|bytes| {
                let kind = if bytes.starts_with(&[0x1f, 0x8b]) {
                    "tar+gzip"
                } else {
                    "tar"
                };
                Ok(descriptor(&format!("layer.v1.{kind}"), &self.blob(bytes)?, ""))
            })
            .collect::<Result<Vec<String>>>()?;
        let manifest = self.blob(
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}}"#,
                descriptor("config.v1+json", &config, ""),
                layers.join(",")
            )
            .as_bytes(),
        )?;
        self.tag(tag, "manifest.v1+json", &manifest)?;
        Ok(manifest)
    }

    /// A list of images for several platforms.
    pub fn list(&mut self, tag: &str, images: &[(&str, Blob)]) -> Result<Blob> {
        let entries: Vec<String> = images
            .iter()
            .map(|(platform, image)| {
                let (os, architecture) = platform.split_once('/').unwrap_or(("linux", platform));
                let platform = format!(r#","platform":{{"os":"{os}","architecture":"{architecture}"}}"#);
                descriptor("manifest.v1+json", image, &platform)
            })
            .collect();
        let list = self.blob(
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{}]}}"#,
                entries.join(",")
            )
            .as_bytes(),
        )?;
        self.tag(tag, "index.v1+json", &list)?;
        Ok(list)
    }

    fn tag(&mut self, tag: &str, kind: &str, blob: &Blob) -> Result<()> {
        let name = format!(r#","annotations":{{"org.opencontainers.image.ref.name":"{tag}"}}"#);
        self.tags.push(descriptor(kind, blob, &name));
        self.write_index()
    }

    /// An image of folders, each a layer on the one before, made by umoci; `config` are flags of `umoci config`.
    pub fn with_umoci(folder: &Path, tag: &str, layers: &[&Path], config: &[&str]) -> Result<Self> {
        let umoci = |arguments: &[&str]| -> Result<()> {
            Run::new("umoci")
                .args(arguments)
                .directory("/")
                .finish()?
                .success()?;
            Ok(())
        };
        let shown = folder.display().to_string();
        let image = format!("{shown}:{tag}");
        umoci(&["init", "--layout", &shown])?;
        umoci(&["new", "--image", &image])?;
        for layer in layers {
            umoci(&["insert", "--image", &image, &layer.display().to_string(), "/"])?;
        }
        let mut arguments = vec!["config", "--image", &image];
        arguments.extend(config);
        umoci(&arguments)?;
        Ok(Self {
            folder: folder.to_owned(),
            tags: Vec::new(),
        })
    }

    /// Puts a deletion of `path` on top of an image that umoci made.
    pub fn delete_with_umoci(&self, tag: &str, path: &str) -> Result<()> {
        Run::new("umoci")
            .args([
                "insert",
                "--image",
                &format!("{}:{tag}", self.folder.display()),
                "--whiteout",
                path,
            ])
            .directory("/")
            .finish()?
            .success()?;
        Ok(())
    }
}

/// Fills a folder with a static busybox and what a sandbox's root needs.
pub fn busybox_root(root: &Path) -> Result<()> {
    for folder in ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr"] {
        std::fs::create_dir_all(root.join(folder)).context("making a folder")?;
    }
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(root.join("tmp"), std::fs::Permissions::from_mode(0o1777))?;
    std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o755))?;
    std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    std::fs::write(root.join("etc/group"), "root:x:0:\n")?;
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .context("a static busybox is needed (apt-get install busybox-static)")?;
    std::fs::copy(busybox, root.join("bin/busybox")).context("copying busybox")?;
    let list = Run::new(busybox).arg("--list").finish()?.success()?;
    for applet in list.stdout.lines().filter(|applet| *applet != "busybox") {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).context("linking an applet")?;
    }
    Ok(())
}

fn descriptor(kind: &str, blob: &Blob, rest: &str) -> String {
    format!(
        r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{}","size":{}{rest}}}"#,
        blob.digest, blob.size
    )
}

fn sha256(bytes: &[u8]) -> Result<String> {
    let done = Run::new("sha256sum").input(bytes).finish()?.success()?;
    let hex = done.stdout.split(' ').next().unwrap_or_default();
    Ok(format!("sha256:{hex}"))
}
