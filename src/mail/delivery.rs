//! Handing a message over: to an SMTP server, or into a folder.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lettre::message::Message;
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use percent_encoding::percent_decode_str;
use url::Url;

/// For each step of a conversation with the server.
const ANSWERING: Duration = Duration::from_secs(15);
/// A connection that nobody needs is closed.
const IDLE: Duration = Duration::from_secs(30);

/// Where mails go.
#[derive(Clone)]
pub enum Delivery {
    Smtp(Smtp),
    /// One `.eml` file each, for a development server; made by [`Delivery::folder`].
    Folder(PathBuf),
    /// There is no way: what waits is kept and said to the operator.
    Nowhere,
}

/// Why a message was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The server said never (RFC 5321 §4.2.1: "The SMTP client SHOULD NOT repeat the exact request").
    #[error("{0}")]
    Refused(String),
    /// It may work later.
    #[error("{0}")]
    Later(String),
}

/// An SMTP server.
#[derive(Clone)]
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

/// How the conversation is kept private.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Privacy {
    /// TLS from the first byte (`smtps`, RFC 8314 §3.3).
    Implicit,
    /// STARTTLS, and nothing without it (RFC 3207).
    Required,
    /// STARTTLS where it is offered.
    Opportunistic,
    Off,
}

impl Smtp {
    /// `smtp://user:password@host:587` (STARTTLS is required unless the server is on this machine; `?tls=opportunistic` or `?tls=off` says otherwise)
    /// or `smtps://user:password@host:465`. User and password are percent-encoded. `hello` is the name we greet with. Nothing is connected yet.
    ///
    /// # Errors
    /// What is wrong with the URL; never the password.
    pub fn new(url: &str, hello: &str) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("it is no URL: {error}"))?;
        // To the URL standard these schemes are not special: an address is a name like others, and the brackets of an IPv6 address stay.
        let host = url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()).ok_or("it names no host")?;
        let local = match host.parse::<IpAddr>() {
            Ok(ip) => ip.is_loopback(),
            Err(_) => host == "localhost" || host.ends_with(".localhost"),
        };
        let mut privacy = match url.scheme() {
            "smtps" => Privacy::Implicit,
            "smtp" if local => Privacy::Opportunistic,
            "smtp" => Privacy::Required,
            other => return Err(format!("{other} is neither smtp nor smtps")),
        };
        for (name, value) in url.query_pairs() {
            privacy = match (&*name, &*value, privacy) {
                ("tls", "implicit", Privacy::Implicit) => Privacy::Implicit,
                ("tls", _, Privacy::Implicit) => return Err("smtps is always TLS; leave out ?tls=".to_owned()),
                ("tls", "required", _) => Privacy::Required,
                ("tls", "opportunistic", _) => Privacy::Opportunistic,
                ("tls", "off", _) => Privacy::Off,
                ("tls", other, _) => return Err(format!("tls={other} is none of required, opportunistic, off")),
                (other, ..) => return Err(format!("{other} is no parameter of it")),
            };
        }
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err("it has a path, which means nothing here".to_owned());
        }
        let parameters = || TlsParameters::new(host.clone()).map_err(|error| format!("TLS cannot be set up: {error}"));
        let (tls, port) = match privacy {
            Privacy::Implicit => (Tls::Wrapper(parameters()?), 465),
            Privacy::Required => (Tls::Required(parameters()?), 587),
            Privacy::Opportunistic => (Tls::Opportunistic(parameters()?), if local { 25 } else { 587 }),
            Privacy::Off => (Tls::None, 25),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(url.port().unwrap_or(port))
            .tls(tls)
            .timeout(Some(ANSWERING))
            .hello_name(ClientId::Domain(hello.to_owned()))
            .pool_config(PoolConfig::new().min_idle(0).max_size(2).idle_timeout(IDLE));
        if !url.username().is_empty() {
            if privacy == Privacy::Off && !local {
                return Err("user and password would cross the network readable; tls=off goes without them".to_owned());
            }
            let decode = |text: &str| percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned);
            let user = decode(url.username()).map_err(|_| "the user is not UTF-8")?;
            let password = decode(url.password().unwrap_or_default()).map_err(|_| "the password is not UTF-8")?;
            builder = builder.credentials(Credentials::new(user, password));
        }
        Ok(Self { transport: builder.build() })
    }

    /// Connects, greets and signs in: what `doctor` asks.
    ///
    /// # Errors
    /// What the server or the network said.
    pub async fn check(&self) -> Result<(), String> {
        match tokio::time::timeout(ANSWERING, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("the server does not answer as a mail server".to_owned()),
            Ok(Err(error)) => Err(explain(&error)),
            Err(_) => Err(format!("no answer within {} s", ANSWERING.as_secs())),
        }
    }
}

impl Delivery {
    /// Mails become files in `folder`, which is made with the first of them.
    ///
    /// # Errors
    /// Why there never would be one.
    pub fn folder(folder: &Path) -> Result<Self, String> {
        takes_files(folder)?;
        Ok(Self::Folder(folder.to_owned()))
    }

    #[must_use]
    pub const fn is_possible(&self) -> bool {
        !matches!(self, Self::Nowhere)
    }

    /// Hands `message` over; `id` names its file in a folder.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn deliver(&self, id: &str, message: Message) -> Result<(), DeliveryError> {
        match self {
            Self::Smtp(smtp) => smtp.transport.send(message).await.map(drop).map_err(|error| {
                // RFC 6531 §3.2: where it is not offered, such an address cannot be given. Asked again, the server offers no more.
                if error.is_client() && explain(&error).contains("SMTPUTF8") {
                    return DeliveryError::Refused(format!(
                        "the address needs SMTPUTF8, which the mail server does not offer: {}",
                        explain(&error)
                    ));
                }
                // 5yz under 55z is about this address or this message; others (a wrong password, say) are the operator's to mend, and what
                // waits goes out then.
                let mailbox = error.status().is_some_and(|code| error.is_permanent() && code.to_string().starts_with("55"));
                if mailbox { DeliveryError::Refused(explain(&error)) } else { DeliveryError::Later(explain(&error)) }
            }),
            Self::Folder(folder) => {
                let (folder, name, bytes) = (folder.clone(), format!("{id}.eml"), message.formatted());
                let written = tokio::task::spawn_blocking(move || write(&folder, &name, &bytes)).await;
                match written {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(DeliveryError::Later(error.to_string())),
                    Err(stopped) => Err(DeliveryError::Later(stopped.to_string())),
                }
            }
            Self::Nowhere => Err(DeliveryError::Later("no mail server is set (PORTERO_SMTP_URL)".to_owned())),
        }
    }
}

/// Is it a folder that takes a file, or can it become one? Nothing is left behind.
fn takes_files(folder: &Path) -> Result<(), String> {
    let here = |place: &Path| if place.as_os_str().is_empty() { PathBuf::from(".") } else { place.to_owned() };
    for place in folder.ancestors().map(here) {
        match std::fs::metadata(&place) {
            Ok(found) if found.is_dir() => {
                return probe(&place).map_err(|error| format!("no file can be made in {}: {error}", place.display()));
            }
            Ok(_) => return Err(format!("{} is not a folder", place.display())),
            Err(_) if place.is_symlink() => return Err(format!("{} leads nowhere", place.display())),
            // What is above it says what is wrong, if anything is.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(format!("{}: {error}", place.display())),
        }
    }
    Err(format!("{} is nowhere", folder.display()))
}

/// Makes a file and takes it away again.
fn probe(folder: &Path) -> std::io::Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let path = folder.join(format!(".portero-{}-{}.probe", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    match std::fs::OpenOptions::new().write(true).create_new(true).open(&path) {
        // A server that was cut off just here left it.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => drop(made?),
    }
    std::fs::remove_file(&path)
}

/// Whole or not at all, and for its owner's eyes: the links in it are secrets.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    std::fs::create_dir_all(folder)?;
    let beside = folder.join(format!(".{name}.part"));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&beside)?.write_all(bytes)?;
    std::fs::rename(&beside, folder.join(name))
}

/// What went wrong with its cause; lettre's own text holds neither user nor password.
fn explain(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}
