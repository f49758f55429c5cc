//! RFC 3161 time stamps: read and shown. The authority's own signature is not checked here (`openssl ts -verify` does).

use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::asn1::{ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_tsp::{TimeStampResp, TstInfo};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

/// What a time stamp says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// When, RFC 3339 UTC.
    pub time: String,
    algorithm: ObjectIdentifier,
    digest: Vec<u8>,
}

impl Stamp {
    /// Whether it is a stamp of these bytes.
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        match self.algorithm {
            SHA256 => Sha256::digest(bytes).as_slice() == self.digest,
            SHA384 => Sha384::digest(bytes).as_slice() == self.digest,
            SHA512 => Sha512::digest(bytes).as_slice() == self.digest,
            _ => false,
        }
    }
}

/// Reads a DER `TimeStampResp`, or the token in it by itself.
///
/// # Errors
/// Neither, or a response without a token.
pub fn read(bytes: &[u8]) -> Result<Stamp, String> {
    let token = match TimeStampResp::from_der(bytes) {
        Ok(response) => {
            response.time_stamp_token.ok_or("a refusal of the authority: it holds no time stamp")?
        }
        Err(_) => ContentInfo::from_der(bytes).map_err(|e| format!("not an RFC 3161 time stamp: {e}"))?,
    };
    let wrong = |e: der::Error| format!("not an RFC 3161 time stamp: {e}");
    if token.content_type != SIGNED_DATA {
        return Err("not an RFC 3161 time stamp: it holds no signed data".to_owned());
    }
    let signed: SignedData = token.content.decode_as().map_err(wrong)?;
    let inner = signed.encap_content_info;
    if inner.econtent_type != TST_INFO {
        return Err("signed data, but of no time stamp".to_owned());
    }
    let content: OctetString =
        inner.econtent.ok_or("a time stamp without content")?.decode_as().map_err(wrong)?;
    let info = TstInfo::from_der(content.as_bytes()).map_err(wrong)?;
    let seconds = info.gen_time.to_unix_duration().as_secs();
    let time = i64::try_from(seconds).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    Ok(Stamp {
        time: time.ok_or("a time that no calendar holds")?.to_string(),
        algorithm: info.message_imprint.hash_algorithm.oid,
        digest: info.message_imprint.hashed_message.as_bytes().to_vec(),
    })
}

/// A `TimeStampReq` for these bytes, to be sent to an authority (`Content-Type: application/timestamp-query`).
///
/// # Errors
/// It cannot be encoded.
pub fn request(bytes: &[u8]) -> Result<Vec<u8>, String> {
    use cms::cert::x509::spki::AlgorithmIdentifier;
    use x509_tsp::{MessageImprint, TimeStampReq, TspVersion};
    let ask = || -> der::Result<Vec<u8>> {
        TimeStampReq {
            version: TspVersion::V1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifier { oid: SHA256, parameters: None },
                hashed_message: OctetString::new(Sha256::digest(bytes).as_slice())?,
            },
            req_policy: None,
            nonce: None,
            cert_req: true,
            extensions: None,
        }
        .to_der()
    };
    ask().map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_the_digest_and_what_is_no_stamp_is_refused() {
        let asked = request(b"seal").unwrap();
        let digest = Sha256::digest(b"seal");
        assert!(asked.windows(32).any(|w| w == digest.as_slice()));
        for bad in [&b""[..], b"0", &asked, &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]] {
            assert!(read(bad).is_err());
        }
    }
}
