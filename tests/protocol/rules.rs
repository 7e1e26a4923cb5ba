//! The rules of the protocol, each of which can be switched off.

/// What writers, collectors and deleters heed. The names in brackets are those of chapter 11.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// W1 before W2 (C4).
    pub writers_register_first: bool,
    /// G2 before G3 (C4).
    pub writers_are_listed_late: bool,
    /// Packs are durable before the segment that names them (I2).
    pub packs_before_segments: bool,
    /// Two never create one outcome (W5).
    pub commits_are_exclusive: bool,
    /// After its commit a writer asks whether it is dead (W5).
    pub writers_look_back: bool,
    /// Writers count on no condemned pack (C1).
    pub condemned_bars: bool,
    /// What an old generation condemned stays so (C2).
    pub whole_chain: bool,
    /// Writers doubt segments that may die with the open generation (C3).
    pub doubt_unlisted: bool,
    /// Segments that `gc/<n>` lists are certain while it is open (C3).
    pub first_marks_count: bool,
    /// Writers list the packs after the index (W2).
    pub writers_list_packs: bool,
    /// Repair gives condemned packs no entry.
    pub repair_reads_chain: bool,
    /// A delta is usable only on a usable base of smaller depth (U).
    pub depth_falls: bool,
    /// Collectors wait for the writers that they listed, or fence them (C5).
    pub writers_are_waited_for: bool,
    /// The mark of G5 (C6).
    pub second_mark: bool,
    /// Marks follow bases (C7).
    pub bases_are_needed: bool,
    /// A provider is in a listing of packs taken after the index (C8).
    pub providers_are_listed: bool,
    /// `gc/<n>` after the verdict of `n-1` (C9).
    pub in_order: bool,
    /// Replacements are there before the verdict (C10).
    pub replacements_first: bool,
    /// Replacements state `n-1` (C10).
    pub replacements_state_previous: bool,
    /// Live segments name nothing swept (C11).
    pub live_names_nothing_swept: bool,
    /// Only what `gc/<n>` names is swept (C12).
    pub only_condemned_is_swept: bool,
    /// Deleters wait for writers themselves, where the verdict is not their own (C13).
    pub deleters_wait: bool,
    /// Deleters mark themselves (C13).
    pub deleters_mark: bool,
    /// Their mark trusts no verdict (C14).
    pub deleters_trust_no_verdict: bool,
    /// They choose none of several providers (C15).
    pub deleters_choose_none: bool,
    /// They have read what replaces (C16).
    pub replacements_are_proved: bool,
    /// Entries outlive segments (C17).
    pub entries_outlive_segments: bool,
    /// Dead segments go before swept packs (I11).
    pub segments_go_first: bool,
    /// Tombstones stay (C18).
    pub tombstones_stay: bool,
    /// Verdicts delete no snapshots (C19).
    pub snapshots_go_by_marks: bool,
    /// Lasting partials are needed (C20).
    pub partials_last: bool,
    /// A partial names what its writer counted on, too (C20).
    pub partials_name_all: bool,
    /// A continuation ends if there was a collection since its predecessor began (W2).
    pub continuations_look: bool,
    /// Readers that miss something read verdict and index again.
    pub readers_read_again: bool,
    /// What cannot be read keeps everything (C21).
    pub unreadable_keeps: bool,
    /// Notes that hold are read after the marks (C22).
    pub holds_are_read_last: bool,
    /// Nothing is collected where listings lag (C23).
    pub listings_are_complete: bool,
}

impl Rules {
    /// The protocol as it stands.
    pub const PROTOCOL: Rules = Rules {
        writers_register_first: true,
        writers_are_listed_late: true,
        packs_before_segments: true,
        commits_are_exclusive: true,
        writers_look_back: false,
        condemned_bars: true,
        whole_chain: true,
        doubt_unlisted: true,
        first_marks_count: true,
        writers_list_packs: true,
        repair_reads_chain: true,
        depth_falls: true,
        writers_are_waited_for: true,
        second_mark: true,
        bases_are_needed: true,
        providers_are_listed: true,
        in_order: true,
        replacements_first: true,
        replacements_state_previous: true,
        live_names_nothing_swept: true,
        only_condemned_is_swept: true,
        deleters_wait: true,
        deleters_mark: true,
        deleters_trust_no_verdict: true,
        deleters_choose_none: true,
        replacements_are_proved: true,
        entries_outlive_segments: true,
        segments_go_first: true,
        tombstones_stay: true,
        snapshots_go_by_marks: true,
        partials_last: true,
        partials_name_all: true,
        continuations_look: false,
        readers_read_again: true,
        unreadable_keeps: true,
        holds_are_read_last: true,
        listings_are_complete: true,
    };
}
