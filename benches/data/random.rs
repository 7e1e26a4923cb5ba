//! A small seeded generator of numbers, words and text, the same on every machine.

/// SplitMix64.
pub struct Random(u64);

impl Random {
    /// Each (seed, step) has its own sequence, which is no other's later part.
    pub fn new(seed: u64, step: u64) -> Self {
        Self(Self(seed).next() ^ Self(!step).next().rotate_left(32))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// From 0 to 1, 1 excluded.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 1 up, the larger the rarer.
    pub fn pareto(&mut self, alpha: f64) -> f64 {
        (1.0 - self.unit()).powf(-1.0 / alpha)
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from.get(self.below(from.len() as u64) as usize).copied().unwrap_or_default()
    }
}

/// A fixed vocabulary of 20,000 words of 3 to 10 letters.
pub struct Words(Vec<String>);

impl Words {
    pub fn new() -> Self {
        let mut random = Random::new(7, u64::MAX);
        Self((0..20_000).map(|i| hex_of(i, random.between(3, 10) as usize)).collect())
    }

    pub fn one(&self, random: &mut Random) -> &str {
        let at = random.below(self.0.len() as u64) as usize;
        self.0.get(at).map_or("", String::as_str)
    }

    /// `count` words with spaces between them.
    pub fn text(&self, random: &mut Random, count: u64) -> String {
        let words: Vec<&str> = (0..count).map(|_| self.one(random)).collect();
        words.join(" ")
    }
}

/// The first `length` hex digits of the hash of a number.
pub fn hex_of(number: u64, length: usize) -> String {
    let mut hex = blake3::hash(&number.to_le_bytes()).to_hex().to_string();
    hex.truncate(length);
    hex
}
