// The client's side of SCRAM (RFC 5802, 7677) as Kafka speaks it: without channel binding. User
// names and passwords are taken as they are, without SASLprep, as by librdkafka. Pure: no
// connection.
#pragma once

#include <string>
#include <string_view>

#include "weir/status.h"

namespace weir {

class Scram {
 public:
  enum class Hash { sha256, sha512 };

  // `nonce`: printable, without a comma, never used before.
  Scram(Hash hash, std::string_view username, std::string password, std::string nonce);

  // 24 random bytes, printed; empty when there is no randomness.
  static std::string make_nonce();

  // The messages, in their order. What comes from the server may be anything: stop(unauthorised)
  // with a reason that quotes nothing of it. take_final() is ok when the server knows the password,
  // too.
  std::string first() const;
  Result<std::string> answer_to_first(std::string_view server_first);
  Status take_final(std::string_view server_final) const;

 private:
  std::string hash_of(std::string_view text) const;
  std::string mac_of(std::string_view key, std::string_view text) const;

  Hash hash_;
  std::string password_;
  std::string nonce_;
  std::string first_bare_;
  std::string server_signature_;
};

}  // namespace weir
