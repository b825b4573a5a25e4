//! From words to a message: headers, a plain and an HTML part.

use std::time::SystemTime;

use askama::Template;
use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use lettre::{Address, address::AddressError};

use super::words::Words;
use crate::i18n::text;
use crate::seal::sha256;
use crate::storage::Time;

/// Who the mails come from, and how they look.
#[derive(Clone, Debug)]
pub struct Sender {
    from: Mailbox,
    /// The deployment's own name.
    pub name: String,
    /// The colour of the button, `#rrggbb`: white can be read on it.
    accent: String,
    /// Of the issuer: what `Message-ID` ends with.
    host: String,
}

impl Sender {
    /// `from` is an address, alone or as `Name <address>`; without a name it gets the deployment's.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn new(from: &str, name: &str, accent: &str, host: &str) -> Result<Self, String> {
        let mut from: Mailbox = from.parse().map_err(|error: AddressError| error.to_string())?;
        from.name.get_or_insert_with(|| name.to_owned());
        from.email = in_ascii(from.email)?;
        Ok(Self { from, name: name.to_owned(), accent: accent.to_owned(), host: host.to_owned() })
    }
}

#[derive(Template)]
#[template(path = "mail/mail.txt", escape = "none")]
struct Plain<'a> {
    words: &'a Words,
    brand: &'a str,
}

#[derive(Template)]
#[template(path = "mail/mail.html")]
struct Html<'a> {
    words: &'a Words,
    brand: &'a str,
    accent: &'a str,
    by_hand: String,
}

/// RFC 3834 §5: "All automatic responses and other automatically generated messages SHOULD include an Auto-Submitted header". It keeps absence
/// notices from answering.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The message for one address. The same mail tried again is the same message, so that a reader who gets it twice sees it once.
///
/// # Errors
/// Where `to` is no address that mail can go to, or a template fails.
pub fn compose(id: &str, to: &str, words: &Words, sender: &Sender, date: Time) -> Result<Message, String> {
    // The address is parsed, and everything else is encoded by the builder: no text can add a header (RFC 5322 §2.2).
    let to = in_ascii(to.parse().map_err(|error: AddressError| error.to_string())?)?;
    let plain = Plain { words, brand: &sender.name }.render().map_err(|error| error.to_string())?;
    let by_hand = text(words.lang, "mail-by-hand", &[]);
    let html = Html { words, brand: &sender.name, accent: &sender.accent, by_hand }.render().map_err(|error| error.to_string())?;
    let boundary: String = sha256(id.as_bytes())[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    // Lines of text are long, and some servers break them: quoted-printable survives that.
    let part =
        |content_type, body: String| SinglePart::builder().header(content_type).header(ContentTransferEncoding::QuotedPrintable).body(body);
    let parts = MultiPart::alternative()
        .boundary(boundary)
        .singlepart(part(ContentType::TEXT_PLAIN, plain))
        .singlepart(part(ContentType::TEXT_HTML, html));
    Message::builder()
        .date(SystemTime::from(date))
        .message_id(Some(format!("<{id}@{}>", sender.host)))
        .from(sender.from.clone())
        .to(Mailbox::new(None, to))
        .subject(one_line(&words.subject))
        .header(AutoSubmitted)
        .multipart(parts)
        .map_err(|error| error.to_string())
}

/// The address with its domain as A-labels (RFC 5890 §2.3.2.1): a server without SMTPUTF8 (RFC 6531) takes it then, as long as what is before the @ is
/// ASCII.
fn in_ascii(address: Address) -> Result<Address, String> {
    if address.domain().is_ascii() {
        return Ok(address);
    }
    let domain = url::Host::parse(address.domain()).map_err(|error| error.to_string())?;
    Address::new(address.user(), domain.to_string()).map_err(|error| error.to_string())
}

/// A header is one line, whatever the deployment is called.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
