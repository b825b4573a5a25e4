//! `user import` and `user export`.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{BufWriter, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::host::Host;
use super::output::{hint, plain};
use super::{Done, Failure, Global};
use crate::accounts::import::{self, Format, Hints, ImportError, Options, Outcome, Parts, Summary, Told};

/// Rejected lines that are shown when no report is asked for.
const SHOWN: u64 = 20;

#[derive(Args)]
pub struct Import {
    /// JSON Lines, CSV with a header, a JSON array (Auth0), or an object with the array `users` (Keycloak, Firebase); `-` for standard input
    file: PathBuf,
    /// The name of the system they come from: with their id there it tells who is who at the next import
    #[arg(long, value_name = "NAME", default_value = "import")]
    source: String,
    /// Look at everything, write nothing
    #[arg(long)]
    dry_run: bool,
    /// A role or a true column of the file, and the role it becomes; may be given several times [default: nobody gets a role]
    #[arg(long, value_name = "THERE=HERE", value_parser = role_pair)]
    map_role: Vec<(String, String)>,
    /// Write what became of each line, as JSON Lines
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// How the file is written [default: told from its beginning]
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Its bcrypt was made by Flask-Bcrypt with BCRYPT_HANDLE_LONG_PASSWORDS
    #[arg(long)]
    flask_bcrypt_long: bool,
    /// The hash_config of a Firebase project, as its console shows it
    #[arg(long, value_name = "FILE")]
    firebase_parameters: Option<PathBuf>,
    /// Bring people whose stored password cannot be used without one, instead of rejecting them
    #[arg(long)]
    without_bad_passwords: bool,
    /// Bring people whose user name cannot be one here without one, instead of rejecting them: they sign in with their address
    #[arg(long)]
    without_bad_usernames: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Form {
    Jsonl,
    Csv,
    Json,
}

#[derive(Args)]
pub struct Export {
    /// Only those who came from that system, under the ids they had there
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Write to a new file that only its owner can read [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn role_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((there, here)) if !there.is_empty() && !here.is_empty() => Ok((there.to_owned(), here.to_owned())),
        _ => Err("must be THERE=HERE, such as is_superuser=user_admin".to_owned()),
    }
}

pub async fn import(global: &Global, command: Import) -> Done {
    if !import::is_source(&command.source) {
        return Err(Failure::Usage("--source must be 1 to 64 of a-z 0-9 _ - .".to_owned()));
    }
    let opened = if command.file.as_os_str() == "-" {
        std::io::stdin().as_fd().try_clone_to_owned().map(File::from)
    } else {
        File::open(&command.file)
    };
    let input = opened.map_err(|error| Failure::Usage(format!("{}: {error}", command.file.display())))?;
    let file = input.metadata().ok().filter(Metadata::is_file);
    if let (Some(file), Some(report)) = (&file, &command.report)
        && std::fs::metadata(report).is_ok_and(|report| (report.dev(), report.ino()) == (file.dev(), file.ino()))
    {
        return Err(Failure::Usage(format!("{}: the report would take the place of the file that is read", report.display())));
    }
    let firebase = match &command.firebase_parameters {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
            Some(import::firebase_parameters(&text).map_err(|reason| Failure::Usage(format!("{}: {reason}", path.display())))?)
        }
        None => None,
    };
    let options = Options {
        source: command.source,
        format: command.format.map(|format| match format {
            Form::Jsonl => Format::Lines,
            Form::Csv => Format::Csv,
            Form::Json => Format::Json,
        }),
        role_map: command.map_role,
        hints: Hints { flask_bcrypt_long: command.flask_bcrypt_long, firebase },
        without_bad_passwords: command.without_bad_passwords,
        without_bad_usernames: command.without_bad_usernames,
        dry: command.dry_run,
    };
    let mut report = match &command.report {
        Some(path) => Some(BufWriter::new(File::create(path).map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))?)),
        None => None,
    };
    let host = Host::open(global).await?;
    let hasher = host.hasher()?;
    let attributes = host.attributes()?;
    let parts = Parts { imports: &*host.storage.imports, hasher: &hasher, attributes: &attributes };
    let mut bar = Bar::new(file.map(|file| file.len()));
    let mut shown = 0;
    let tell = |told: &Told, summary: &Summary| {
        if let Some(report) = &mut report {
            serde_json::to_writer(&mut *report, &line(told))?;
            report.write_all(b"\n")?;
        } else if told.outcome == Outcome::Rejected {
            shown += 1;
            if shown <= SHOWN {
                bar.clear();
                hint(&format!("line {}: {}", told.line, plain(told.reason.as_deref().unwrap_or_default())));
            } else if shown == SHOWN + 1 {
                bar.clear();
                hint("further rejected lines are not shown: --report FILE writes them all");
            }
        }
        bar.show(summary);
        Ok(())
    };
    let began = Instant::now();
    let done = import::run(&parts, input, &options, || host.random.bytes(), (host.now(), &host.act()), tell).await;
    bar.clear();
    if let Some(mut report) = report {
        report.flush().map_err(|error| Failure::refused(ImportError::Report(error)))?;
    }
    let summary = match done {
        Ok(summary) => summary,
        Err(ImportError::Unreadable(reason)) => return Err(Failure::Usage(format!("{}: {reason}", command.file.display()))),
        Err(error) => {
            return Err(Failure::Refused(format!("{error}; what was read before is done, and the same command goes on from there")));
        }
    };
    tell_summary(global, &summary, &options, began.elapsed())?;
    if summary.read == 0 {
        Err(Failure::Usage(format!("{}: there is nobody in it", command.file.display())))
    } else if summary.rejected > 0 {
        Err(Failure::Told)
    } else {
        Ok(())
    }
}

fn line(told: &Told) -> Value {
    let mut line = json!({"line": told.line, "outcome": told.outcome.as_str()});
    if let Some(external_id) = &told.external_id {
        line["external_id"] = external_id.clone().into();
    }
    if let Some(reason) = &told.reason {
        line["reason"] = reason.clone().into();
    }
    line
}

fn tell_summary(global: &Global, summary: &Summary, options: &Options, took: Duration) -> Done {
    if !summary.members_left_out.is_empty() {
        let names = summary.members_left_out.join(", ");
        hint(&format!("left out: {} (a column attributes.NAME, or a member of `attributes`, is kept)", plain(&names)));
    }
    if !summary.roles_left_out.is_empty() {
        hint(&format!("roles that nothing maps: {} (--map-role THERE=HERE)", plain(&summary.roles_left_out.join(", "))));
    }
    let Summary { read, created, updated, skipped, rejected, .. } = *summary;
    let json = json!({
        "source": options.source, "dry_run": options.dry, "read": read, "created": created, "updated": updated, "skipped": skipped,
        "rejected": rejected, "left_out": summary.members_left_out, "roles_left_out": summary.roles_left_out,
        "seconds": (took.as_secs_f64() * 1000.0).round() / 1000.0,
    });
    global.output().answer(&json, || {
        let tense = if options.dry { "would be " } else { "" };
        let rate = read as f64 / took.as_secs_f64().max(0.001);
        format!(
            "{read} read in {:.1} s ({rate:.0}/s): {tense}{created} created, {updated} updated, {skipped} skipped, {rejected} rejected",
            took.as_secs_f64()
        )
    })
}

/// How far it is, on a terminal: rewritten a few times a second.
struct Bar {
    size: Option<u64>,
    began: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

impl Bar {
    const WIDTH: u64 = 30;

    fn new(size: Option<u64>) -> Self {
        Self { size, began: Instant::now(), shown: None, terminal: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, summary: &Summary) {
        if !self.terminal || self.shown.is_some_and(|shown| shown.elapsed() < Duration::from_millis(200)) {
            return;
        }
        self.shown = Some(Instant::now());
        let rate = summary.read as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let bar = match self.size.filter(|size| *size > 0) {
            Some(size) => {
                let done = (summary.bytes.min(size) * Self::WIDTH / size) as usize;
                let percent = summary.bytes.min(size) * 100 / size;
                format!("[{}{}] {percent:3} % ", "#".repeat(done), "-".repeat(Self::WIDTH as usize - done))
            }
            None => String::new(),
        };
        let _ = write!(std::io::stderr(), "\r{bar}{} read, {} rejected, {rate:.0}/s ", summary.read, summary.rejected);
    }

    fn clear(&mut self) {
        if self.terminal && self.shown.take().is_some() {
            let _ = write!(std::io::stderr(), "\r{:79}\r", "");
        }
    }
}

pub async fn export(global: &Global, command: Export) -> Done {
    const PAGE: u32 = 500;
    let host = Host::open(global).await?;
    let mut out: Box<dyn Write> = match &command.output {
        Some(path) => {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            // Stored passwords are in it.
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(path).map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    };
    let failed = |error: std::io::Error| Failure::Refused(format!("the export cannot be written: {error}"));
    // Every stored password leaves: nobody gets them of which no row tells.
    host.storage.audit.done("users.export", None, host.now(), &host.act()).await.map_err(Failure::refused)?;
    let (mut after, mut count, mut pending) = (None::<String>, 0_u64, 0_u64);
    loop {
        let page = host.storage.imports.export(after.as_deref(), PAGE).await.map_err(Failure::refused)?;
        for (user, hash) in &page {
            pending += u64::from(user.pending);
            if let Some(line) = import::exported(user, hash.as_deref(), command.source.as_deref()) {
                writeln!(out, "{line}").map_err(failed)?;
                count += 1;
            }
        }
        match page.last() {
            Some((user, _)) if page.len() == PAGE as usize => after = Some(user.id.clone()),
            _ => break,
        }
    }
    out.flush().map_err(failed)?;
    hint(&format!("{count} exported"));
    if pending > 0 {
        hint(&format!("{pending} left out: they signed up and never confirmed their address"));
    }
    Ok(())
}
