#include "kafka/scram.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace weir {
namespace {

// Of RFC 7677, which Kafka keeps to; and librdkafka's limit: a server must not keep us busy for
// minutes.
constexpr int kIterationsMin = 4'096;
constexpr int kIterationsMax = 1'000'000;
constexpr std::size_t kNonceBytes = 24;
// Base64 of "n,,": no channel binding.
constexpr std::string_view kChannel = "c=biws,r=";

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

const EVP_MD* digest_of(Scram::Hash hash) {
  return hash == Scram::Hash::sha256 ? EVP_sha256() : EVP_sha512();
}

std::string to_base64(std::string_view text) {
  std::string printed(4 * ((text.size() + 2) / 3) + 1, '\0');
  printed.resize(static_cast<std::size_t>(
      EVP_EncodeBlock(bytes_of(printed), bytes_of(text), static_cast<int>(text.size()))));
  return printed;
}

std::optional<std::string> from_base64(std::string_view printed) {
  constexpr std::size_t kMax = 4'096;
  if (printed.empty() || printed.size() % 4 != 0 || printed.size() > kMax) {
    return std::nullopt;
  }
  std::string text(printed.size() / 4 * 3, '\0');
  if (EVP_DecodeBlock(bytes_of(text), bytes_of(printed), static_cast<int>(printed.size())) < 0) {
    return std::nullopt;
  }
  // It counts the padding as bytes.
  for (int i = 0; i < 2 && printed.back() == '='; ++i) {
    printed.remove_suffix(1);
    text.pop_back();
  }
  return text;
}

// The value of the attribute that `message` must begin with, which is taken off.
std::optional<std::string_view> take(std::string_view& message, char name) {
  if (message.size() < 2 || message[0] != name || message[1] != '=') {
    return std::nullopt;
  }
  message.remove_prefix(2);
  const std::string_view value = message.substr(0, message.find(','));
  message.remove_prefix(std::min(value.size() + 1, message.size()));
  return value;
}

Status refused(std::string_view why) {
  return Status::stop(ExitCode::unauthorised, std::string(why));
}

}  // namespace

Scram::Scram(Hash hash, std::string_view username, std::string password, std::string nonce)
    : hash_(hash), password_(std::move(password)), nonce_(std::move(nonce)) {
  first_bare_ = "n=";
  for (const char c : username) {
    first_bare_ += c == '=' ? "=3D" : c == ',' ? "=2C" : std::string(1, c);
  }
  first_bare_ += ",r=" + nonce_;
}

std::string Scram::make_nonce() {
  std::string random(kNonceBytes, '\0');
  return RAND_bytes(bytes_of(random), static_cast<int>(random.size())) == 1 ? to_base64(random)
                                                                            : "";
}

std::string Scram::first() const {
  return "n,," + first_bare_;
}

Result<std::string> Scram::answer_to_first(std::string_view server_first) {
  std::string_view rest = server_first;
  const auto nonce = take(rest, 'r');
  const auto printed_salt = take(rest, 's');
  const auto printed_iterations = take(rest, 'i');
  const auto salt = from_base64(printed_salt.value_or(""));
  if (!nonce || !salt || !printed_iterations) {
    return refused("the first message of the server isn't one of SCRAM");
  }
  if (!nonce->starts_with(nonce_) || nonce->size() == nonce_.size()) {
    return refused("the server's nonce doesn't go with ours");
  }
  int iterations = 0;
  const auto [end, error] =
      std::from_chars(printed_iterations->begin(), printed_iterations->end(), iterations);
  if (error != std::errc{} || end != printed_iterations->end() || iterations < kIterationsMin ||
      iterations > kIterationsMax) {
    return refused(fmt::format("the server wants another number of iterations than {} to {}",
                               kIterationsMin, kIterationsMax));
  }
  std::string salted(static_cast<std::size_t>(EVP_MD_get_size(digest_of(hash_))), '\0');
  if (PKCS5_PBKDF2_HMAC(password_.data(), static_cast<int>(password_.size()), bytes_of(*salt),
                        static_cast<int>(salt->size()), iterations, digest_of(hash_),
                        static_cast<int>(salted.size()), bytes_of(salted)) != 1) {
    return refused("OpenSSL can't salt the password");
  }
  const std::string final_bare = fmt::format("{}{}", kChannel, *nonce);
  const std::string both = fmt::format("{},{},{}", first_bare_, server_first, final_bare);
  std::string proof = mac_of(salted, "Client Key");
  const std::string signature = mac_of(hash_of(proof), both);
  for (std::size_t i = 0; i < proof.size(); ++i) {
    proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  }
  server_signature_ = mac_of(mac_of(salted, "Server Key"), both);
  return fmt::format("{},p={}", final_bare, to_base64(proof));
}

Status Scram::take_final(std::string_view server_final) const {
  if (server_final.starts_with("e=")) {
    return refused("the server doesn't take the user's name or password");
  }
  const auto signature = from_base64(take(server_final, 'v').value_or(""));
  return signature && !server_signature_.empty() && signature->size() == server_signature_.size() &&
                 CRYPTO_memcmp(signature->data(), server_signature_.data(), signature->size()) == 0
             ? Status::ok()
             : refused("the server doesn't know the password itself");
}

std::string Scram::hash_of(std::string_view text) const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, digest_of(hash_), nullptr);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

std::string Scram::mac_of(std::string_view key, std::string_view text) const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned size = 0;
  HMAC(digest_of(hash_), key.data(), static_cast<int>(key.size()), bytes_of(text), text.size(),
       mac.data(), &size);
  return {reinterpret_cast<const char*>(mac.data()), size};
}

}  // namespace weir
