// Package reshare hands the secrets of keys from one committee to another, or to the
// same one with fresh shares: n, t and the ring's degree may change, the committees may
// overlap, and no secret and no public key does. Source: eprint 2025/699, figure 87.
//
// Handover. For each coefficient of each secret the new committee makes a random mask
// r_j for every old member j and opens it to j alone; j sends v_j = r_j + share to all
// of the new committee and posts VectorDigest on the chain. A mask is one ring element
// where both committees have the same ring, and an integer for each coordinate of the
// share where they have not: an integer would not hide an element.
//
// Conclusion. Of the old members on whose vectors the chain decided, v_j − [r_j] are
// sharings of the old shares among the new members. These open how much the shares miss
// a codeword of the old code, correct errors, and interpolate at 0 from the lowest t₁+1
// members that are right at every coefficient: what comes out is each one's new share.
// The first coordinate of that value is the secret. With unequal rings only this one is
// computed. With equal ones the others are 0, since what n₁−t₁ members lie on is the
// polynomial of the honest ones among them, who share integers: they need no opening.
//
// Guarantees against t₁ corrupt members of the old committee together with t₂ of the new
// one: they learn nothing of a secret, not of the new shares of honest members either;
// honest new members end with shares of one polynomial of degree t₂, of the same secret,
// or all with the same error; whoever of the old gave a wrong share is named by all alike
// (Wrong). A wrong mask or a wrong syndrome share names its new sender to those that
// received it (Culprits), which is no evidence to others.
//
// With s old members absent, t₁−s errors are corrected: as many as always leave t₁+1
// honest members to agree with. What exceeds that is an UndecodableError and never a
// wrong share.
//
// Not guaranteed: liveness. Waiting ends outside: the chain decides who was absent, which
// vectors count, and that another attempt begins, whose session, and so whose masks, are
// others. That the vectors are those of the digests posted is the caller's to check, and
// that new shares work is shown by a test decryption.
package reshare
