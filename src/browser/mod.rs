//! What every HTML answer needs, below `web` and `endpoints`: who asks (`visit`), cookies and the session (`session`), the binding
//! of a flow to its browser (`flow`), forms and that only our own pages can send them (`form`, `csrf`), language and theme (`language`), the frame
//! around every page and its headers (`layout`, `brand`), entity tags (`etag`), and the pages that both sides show (`error`, `form_post`, `sign_out`).
//!
//! Knows nothing of accounts, clients or rules: it is told what to show.

pub mod brand;
pub mod csrf;
pub mod error;
pub mod etag;
pub mod flow;
pub mod form;
pub mod form_post;
pub mod language;
pub mod layout;
pub mod session;
pub mod sign_out;
pub mod visit;
