use super::*;
use crate::Role;
use proptest::prelude::*;
use types::UidValidity;

fn view(uids: &[u32], modseq: u64) -> View {
    let uids: UidSet = uids.iter().copied().collect();
    let next = uids.runs().last().map_or(1, |run| run.end() + 1);
    let mailbox = Mailbox {
        id: types::MailboxId::new(),
        name: "INBOX".into(),
        role: Role::Inbox,
        uidvalidity: UidValidity(1),
        uidnext: Uid(next),
        highest_modseq: ModSeq(modseq),
        total: 0,
        unseen: 0,
        deleted: 0,
        recent: 0,
        size: 0,
        recent_uid: Uid(next),
    };
    let snapshot = Snapshot { uids, next, modseq: ModSeq(modseq) };
    let target = Target { account: AccountId(1), mailbox: mailbox.id };
    View::new(Reach::own(target), Access::ReadWrite, mailbox, snapshot)
}

/// A mailbox as its owner thinks of it.
#[derive(Debug, Default)]
struct Model {
    alive: Vec<u32>,
    next: u32,
    modseq: u64,
    log: Vec<ChangeRow>,
}

impl Model {
    fn log(&mut self, op: i16, uids: Vec<u32>) {
        if !uids.is_empty() {
            self.modseq += 1;
            self.log.push(ChangeRow { modseq: ModSeq(self.modseq), op, uids });
        }
    }

    fn deliver(&mut self, count: u32) {
        let new: Vec<u32> = (self.next..self.next + count).collect();
        self.next += count;
        self.alive.extend(&new);
        self.log(1, new);
    }

    fn pick(&self, picks: &[usize]) -> Vec<u32> {
        let mut uids: Vec<u32> = picks
            .iter()
            .filter_map(|at| self.alive.get(at % self.alive.len().max(1)))
            .copied()
            .collect();
        uids.sort_unstable();
        uids.dedup();
        uids
    }

    fn expunge(&mut self, picks: &[usize]) {
        let gone = self.pick(picks);
        self.alive.retain(|uid| !gone.contains(uid));
        self.log(3, gone);
    }

    /// One page only: then PostgreSQL went away.
    fn sync_in_part(&self, view: &mut View, limit: usize) {
        let rows = self.log.iter().filter(|row| row.modseq > view.modseq);
        let page: Vec<_> = rows.take(limit).cloned().collect();
        if let Some(last) = page.last().map(|row| row.modseq) {
            view.apply(&page, last, &mut Changes::default());
        }
    }

    /// As `store::message::change_log`, `limit` rows at a time.
    fn sync(&self, view: &mut View, limit: usize) -> Changes {
        let mut changes = Changes { vanished: !view.vanished.is_empty(), ..Changes::default() };
        loop {
            let rows: Vec<_> =
                self.log.iter().filter(|row| row.modseq > view.modseq).cloned().collect();
            let page = &rows[..rows.len().min(limit)];
            let complete = page.len() == rows.len();
            let up_to = match page.last() {
                Some(last) if !complete => last.modseq,
                _ => ModSeq(self.modseq),
            };
            view.apply(page, up_to, &mut changes);
            if complete {
                view.report(&mut changes);
                return changes;
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Act {
    Deliver(u32),
    Flag(Vec<usize>, bool),
    Expunge(Vec<usize>),
    Sync(usize),
    SyncInPart(usize),
    Tell,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let picks = || prop::collection::vec(0usize..50, 1..6);
    let act = prop_oneof![
        (1u32..5).prop_map(Act::Deliver),
        (picks(), any::<bool>()).prop_map(|(picks, own)| Act::Flag(picks, own)),
        picks().prop_map(Act::Expunge),
        (1usize..4).prop_map(Act::Sync),
        (1usize..4).prop_map(Act::SyncInPart),
        Just(Act::Tell),
    ];
    prop::collection::vec(act, 0..60)
}

/// What a client believes that counts messages by hand.
#[derive(Debug, Default)]
struct Client(Vec<u32>);

impl Client {
    fn told_exists(&mut self, view: &View) {
        // A client learns the UIDs of new messages by asking for their numbers.
        while (self.0.len() as u32) < view.exists() {
            let number = self.0.len() as u32 + 1;
            let uid = view.numbered(&[number..=number]).unwrap().iter().next().unwrap();
            assert!(self.0.last().is_none_or(|last| *last < uid));
            self.0.push(uid);
        }
    }

    fn told_expunged(&mut self, numbers: Vec<u32>) {
        for number in numbers {
            self.0.remove(number as usize - 1);
        }
    }

    fn agrees_with(&self, view: &View) {
        assert_eq!(self.0.len() as u32, view.exists());
        for (at, uid) in self.0.iter().enumerate() {
            assert_eq!(view.number(*uid), Some(at as u32 + 1));
        }
    }
}

proptest! {
    #[test]
    fn a_client_that_counts_is_never_wrong(start in 0u32..5, acts in acts()) {
        let mut model = Model { next: 1, ..Model::default() };
        if start > 0 {
            model.deliver(start);
        }
        let mut view = view(&model.alive, model.modseq);
        let mut client = Client(model.alive.clone());
        let mut unreported: UidSet = UidSet::default();
        for act in acts {
            match act {
                Act::Deliver(count) => model.deliver(count),
                Act::Flag(picks, own) => {
                    let uids = model.pick(&picks);
                    if uids.is_empty() {
                        continue;
                    }
                    model.log(2, uids.clone());
                    if own {
                        view.answered_for(ModSeq(model.modseq));
                    } else {
                        let known: UidSet = uids.iter().copied().filter(|u| view.number(*u).is_some()).collect();
                        unreported = unreported.union(&known);
                    }
                }
                Act::Expunge(picks) => model.expunge(&picks),
                Act::Sync(limit) => {
                    let before = view.exists();
                    let changes = model.sync(&mut view, limit);
                    prop_assert_eq!(changes.appeared, view.exists() > before);
                    let alive: UidSet = model.alive.iter().copied().collect();
                    let missed = unreported.intersection(&alive).difference(&changes.updated);
                    prop_assert!(missed.is_empty(), "unreported flags {:?}", missed);
                    prop_assert!(changes.updated.difference(&alive).is_empty());
                    unreported = UidSet::default();
                    client.told_exists(&view);
                    prop_assert_eq!(view.all().difference(view.vanished()), alive);
                    prop_assert_eq!(view.uidnext(), model.next);
                    prop_assert_eq!(changes.vanished, !view.vanished().is_empty());
                }
                Act::SyncInPart(limit) => {
                    model.sync_in_part(&mut view, limit);
                    client.told_exists(&view);
                }
                Act::Tell => client.told_expunged(view.take_vanished()),
            }
            client.agrees_with(&view);
        }
    }

    #[test]
    fn a_comparison_ends_where_the_log_would(start in 1u32..9, acts in acts()) {
        let mut model = Model { next: 1, ..Model::default() };
        model.deliver(start);
        let mut by_log = view(&model.alive, model.modseq);
        let mut compared = by_log.clone();
        for act in acts {
            match act {
                Act::Deliver(count) => model.deliver(count),
                Act::Expunge(picks) => model.expunge(&picks),
                _ => {}
            }
        }
        model.sync(&mut by_log, 3);
        compared.compare(&model.alive.iter().copied().collect(), &mut Changes::default());
        let left = |view: &View| view.all().difference(view.vanished());
        prop_assert_eq!(left(&by_log), left(&compared));
        by_log.take_vanished();
        compared.take_vanished();
        prop_assert_eq!(by_log.numbers, compared.numbers);
    }
}

#[test]
fn own_changes_are_not_reported_and_others_are() {
    let mut model = Model { next: 1, ..Model::default() };
    model.deliver(5);
    let mut view = view(&model.alive, model.modseq);
    model.log(2, vec![1, 2]);
    view.answered_for(ModSeq(model.modseq));
    model.log(2, vec![2, 3]);
    let changes = model.sync(&mut view, 100);
    assert_eq!(changes.updated.runs(), &[2..=3]);
    assert!(view.own.is_empty());
}

#[test]
fn vanished_messages_keep_their_numbers_until_told() {
    let mut model = Model { next: 1, ..Model::default() };
    model.deliver(5);
    let mut view = view(&model.alive, model.modseq);
    model.expunge(&[1, 3]);
    assert!(model.sync(&mut view, 100).vanished);
    assert_eq!((view.exists(), view.number(5)), (5, Some(5)));
    assert_eq!(view.numbered(&[2..=4]).unwrap().runs(), &[2..=4]);
    assert_eq!(view.take_vanished(), [2, 3]);
    assert_eq!((view.exists(), view.number(5)), (3, Some(3)));
    assert_eq!(view.numbered(&[0..=1]), None);
    assert_eq!(view.numbered(&[1..=4]), None);
    assert_eq!(
        view.numbered(&[std::ops::RangeInclusive::new(3, 2)]).unwrap().runs(),
        &[3..=3, 5..=5]
    );
}

#[test]
fn new_messages_are_recent_here() {
    let mut model = Model { next: 1, ..Model::default() };
    model.deliver(3);
    let mut view = view(&model.alive, model.modseq);
    assert_eq!(view.recent(), 0);
    model.deliver(2);
    model.sync(&mut view, 9);
    assert_eq!(view.recent(), 2);
    assert!(view.is_recent(4) && !view.is_recent(3));
    assert!(view.claim_recent, "to be told to the next session");
}

#[test]
fn a_million_messages_are_one_run() {
    let all = UidSet::from_ranges([1..=1_000_000]);
    let mut numbers = Numbers::new(&all);
    numbers.remove(&UidSet::from_ranges([500..=500, 700_000..=700_010]));
    assert_eq!(numbers.len(), 1_000_000 - 12);
    assert_eq!(numbers.number(1_000_000), Some(1_000_000 - 12));
    assert_eq!(numbers.set().runs().len(), 3);
}
