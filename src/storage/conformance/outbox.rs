//! The contract of mails that wait to be sent.

use std::time::Duration;

use super::super::durable::NewMail;
use super::super::durable::outbox::{Claimed, State};
use super::races::together;
use super::{Place, at, on_every_database};

const LEASE: Duration = Duration::from_secs(60);

on_every_database!(
    a_mail_waits_until_it_is_sent,
    a_failed_mail_is_due_again_and_may_be_given_up,
    a_lease_that_ended_is_somebody_elses,
    mails_are_claimed_oldest_first,
    what_is_over_is_removed,
    each_mail_goes_to_one_replica,
);

fn mail(n: i64) -> NewMail {
    NewMail {
        id: format!("mail_{n:04}"),
        to_address: "ñandú@example.org".to_owned(),
        kind: "reset".to_owned(),
        lang: "es".to_owned(),
        sealed: vec![0, 1, 254, 255],
        created_at: at(n),
    }
}

fn ids(claimed: &[Claimed]) -> Vec<String> {
    claimed.iter().map(|claimed| claimed.mail.id.clone()).collect()
}

async fn a_mail_waits_until_it_is_sent(place: &Place) {
    let storage = place.open().await;
    assert!(storage.outbox.claim(10, LEASE, at(100)).await.expect("read").is_empty());
    storage.outbox.enqueue(&[mail(5)]).await.expect("done");
    let waiting = storage.outbox.recent(10).await.expect("read").remove(0);
    assert_eq!((waiting.state, waiting.tries, waiting.reason), (State::Waiting { due_at: at(5) }, 0, None));
    assert!(storage.outbox.claim(10, LEASE, at(4)).await.expect("read").is_empty(), "it is not due yet");
    let claimed = storage.outbox.claim(10, LEASE, at(5)).await.expect("done");
    assert_eq!(claimed, [Claimed { mail: mail(5), tries: 1 }], "as it was put in");
    assert!(storage.outbox.claim(10, LEASE, at(64)).await.expect("read").is_empty(), "somebody sends it now");
    assert!(storage.outbox.sent("mail_0005", 1, at(6)).await.expect("done"));
    assert!(!storage.outbox.sent("mail_0005", 1, at(7)).await.expect("read"), "once");
    assert!(!storage.outbox.failed("mail_0005", 1, "late", at(8)).await.expect("read"));
    assert!(!storage.outbox.dead("mail_0005", 1, "late", at(8)).await.expect("read"));
    assert!(storage.outbox.claim(10, LEASE, at(9999)).await.expect("read").is_empty());
    let sent = storage.outbox.recent(10).await.expect("read").remove(0);
    assert_eq!(
        (sent.id.as_str(), sent.kind.as_str(), sent.lang.as_str(), sent.state),
        ("mail_0005", "reset", "es", State::Sent { at: at(6) })
    );
    // Two mails of one id are a mistake, and none of that call is kept.
    assert!(storage.outbox.enqueue(&[mail(6), mail(5)]).await.is_err());
    assert_eq!(storage.outbox.recent(10).await.expect("read").len(), 1);
}

async fn a_failed_mail_is_due_again_and_may_be_given_up(place: &Place) {
    let storage = place.open().await;
    storage.outbox.enqueue(&[mail(0)]).await.expect("done");
    storage.outbox.claim(1, LEASE, at(0)).await.expect("done");
    assert!(storage.outbox.failed("mail_0000", 1, "451 later", at(30)).await.expect("done"));
    let row = storage.outbox.recent(1).await.expect("read").remove(0);
    assert_eq!((row.state, row.tries, row.reason.as_deref()), (State::Waiting { due_at: at(30) }, 1, Some("451 later")));
    assert!(storage.outbox.claim(1, LEASE, at(29)).await.expect("read").is_empty());
    let again = storage.outbox.claim(1, LEASE, at(30)).await.expect("done");
    assert_eq!((again[0].tries, &again[0].mail), (2, &mail(0)), "what it says is still there");
    assert!(storage.outbox.dead("mail_0000", 2, "550 no such address", at(31)).await.expect("done"));
    let row = storage.outbox.recent(1).await.expect("read").remove(0);
    assert_eq!((row.state, row.reason.as_deref()), (State::Dead { at: at(31) }, Some("550 no such address")));
    assert!(storage.outbox.claim(1, LEASE, at(9999)).await.expect("read").is_empty());
}

/// A replica that was slow, or stopped: whoever took the mail last has the say.
async fn a_lease_that_ended_is_somebody_elses(place: &Place) {
    let storage = place.open().await;
    storage.outbox.enqueue(&[mail(0)]).await.expect("done");
    storage.outbox.claim(1, LEASE, at(0)).await.expect("done");
    assert_eq!(storage.outbox.claim(1, LEASE, at(60)).await.expect("done")[0].tries, 2);
    assert!(!storage.outbox.failed("mail_0000", 1, "slow", at(61)).await.expect("read"));
    assert!(!storage.outbox.dead("mail_0000", 1, "slow", at(61)).await.expect("read"));
    assert!(!storage.outbox.sent("mail_0000", 1, at(61)).await.expect("read"));
    assert!(storage.outbox.sent("mail_0000", 2, at(61)).await.expect("done"));
    assert!(!storage.outbox.sent("mail_unknown", 1, at(61)).await.expect("read"));
}

async fn mails_are_claimed_oldest_first(place: &Place) {
    let storage = place.open().await;
    storage.outbox.enqueue(&[mail(3), mail(1), mail(2)]).await.expect("done");
    assert_eq!(ids(&storage.outbox.claim(2, LEASE, at(10)).await.expect("done")), ["mail_0001", "mail_0002"]);
    assert_eq!(ids(&storage.outbox.claim(2, LEASE, at(10)).await.expect("done")), ["mail_0003"]);
    let newest: Vec<_> = storage.outbox.recent(2).await.expect("read").into_iter().map(|row| row.id).collect();
    assert_eq!(newest, ["mail_0003", "mail_0002"]);
}

async fn what_is_over_is_removed(place: &Place) {
    let storage = place.open().await;
    storage.outbox.enqueue(&[mail(0), mail(1), mail(2)]).await.expect("done");
    storage.outbox.claim(3, LEASE, at(2)).await.expect("done");
    storage.outbox.sent("mail_0000", 1, at(3)).await.expect("done");
    storage.outbox.dead("mail_0001", 1, "no", at(4)).await.expect("done");
    let week = 7 * 24 * 3600;
    assert_eq!(storage.outbox.clean(at(week + 2)).await.expect("done"), 0);
    assert_eq!(storage.outbox.clean(at(week + 4)).await.expect("done"), 2);
    let left: Vec<_> = storage.outbox.recent(9).await.expect("read").into_iter().map(|row| row.id).collect();
    assert_eq!(left, ["mail_0002"], "what was neither sent nor given up stays");
}

async fn each_mail_goes_to_one_replica(place: &Place) {
    let replicas = [place.open().await, place.open().await];
    for round in 0..200_i64 {
        let mails: Vec<_> = (0..4).map(|n| mail(round * 10 + n)).collect();
        replicas[0].outbox.enqueue(&mails).await.expect("done");
        let now = at(round * 10 + 5);
        let claimed = together(16, |worker| {
            let storage = replicas[worker % 2].clone();
            async move { storage.outbox.claim(2, Duration::from_secs(1 << 40), now).await.expect("answered") }
        })
        .await;
        let mut all: Vec<_> = claimed.iter().flat_map(|claimed| ids(claimed)).collect();
        all.sort();
        let wanted: Vec<_> = mails.iter().map(|mail| mail.id.clone()).collect();
        // Some may have looked before the others let go: those mails are still due, and nobody has one twice.
        let later = replicas[1].outbox.claim(4, LEASE, now).await.expect("answered");
        all.extend(ids(&later));
        all.sort();
        assert_eq!(all, wanted, "round {round}");
        for id in ids(&later) {
            assert!(replicas[0].outbox.sent(&id, 1, now).await.expect("done"), "round {round}");
        }
    }
}
