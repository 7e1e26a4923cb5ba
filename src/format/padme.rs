//! Padme lengths (chapter 4): a length leaks only its order of magnitude and a few bits.
//!
//! From Nikitin, Barman, Lueks, Underwood, Hubaux, Ford: "Reducing Metadata Leakage from Encrypted
//! Files and Communication with PURBs" (2019), section 4. The growth is at most 12 %, and
//! below 3 % from a mebibyte on.

/// The least Padme length that is at least `length`.
pub fn padded(length: u64) -> u64 {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    let mantissa_bits = exponent.ilog2() + 1;
    let mask = (1_u64 << exponent.saturating_sub(mantissa_bits)) - 1;
    length.checked_add(mask).map_or(length, |sum| sum & !mask)
}

#[cfg(test)]
mod tests {
    use super::padded;

    /// Padding never shrinks, is idempotent, monotonic and within the paper's bound.
    #[test]
    fn is_a_monotonic_closure() {
        let mut last = 0;
        for length in
            (0..5000).chain((0..63).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]))
        {
            let to = padded(length);
            assert!(to >= length && padded(to) == to, "{length} {to}");
            assert!(to - length <= length / 8 + 1, "{length} {to}");
            if length < 5000 && length >= last {
                assert!(to >= padded(last));
                last = length;
            }
        }
        assert_eq!(padded(9), 10);
        assert_eq!(padded(u64::MAX), u64::MAX);
    }
}
