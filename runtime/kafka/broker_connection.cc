#include "kafka/broker_connection.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "kafka/handles.h"
#include "kafka/protocol_bytes.h"
#include "kafka/requests.h"
#include "kafka/scram.h"

namespace weir {
namespace {

using Deadline = BrokerConnector::Deadline;
using SslPtr = std::unique_ptr<SSL, Destroyer<SSL_free>>;
using BioPtr = std::unique_ptr<BIO, Destroyer<BIO_free>>;
using CertificatePtr = std::unique_ptr<X509, Destroyer<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Destroyer<EVP_PKEY_free>>;

constexpr std::size_t kAnswerBytesMax = std::size_t{16} << 20;
constexpr std::size_t kLoginAnswerBytesMax = std::size_t{64} << 10;

Status refused(std::string message) {
  return Status::stop(ExitCode::unavailable, std::move(message));
}

Status silent() {
  return Status::retry("no answer in time");
}

Status closed() {
  return refused("the broker closed the connection");
}

// ---- bytes over a socket ----

class Socket {
 public:
  Socket() = default;

  explicit Socket(int fd) : fd_(fd) {}

  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  ~Socket() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }

  bool is_open() const { return fd_ >= 0; }

  int fd() const { return fd_; }

  bool wait(short events, Deadline deadline) const {
    for (;;) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) {
        return false;
      }
      pollfd one{fd_, events, 0};
      const int ready = ::poll(&one, 1, to_ms(left));
      if (ready > 0) {
        return true;
      }
      if (ready < 0 && errno != EINTR) {
        return false;
      }
    }
  }

  Status send_all(std::string_view bytes, Deadline deadline) const {
    while (!bytes.empty()) {
      if (!wait(POLLOUT, deadline)) {
        return silent();
      }
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EINTR && errno != EAGAIN) {
        return closed();
      }
      bytes.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : 0);
    }
    return Status::ok();
  }

  // At least one byte, at most `size`.
  Result<std::size_t> receive_some(char* bytes, std::size_t size, Deadline deadline) const {
    for (;;) {
      if (!wait(POLLIN, deadline)) {
        return silent();
      }
      const ssize_t got = ::recv(fd_, bytes, size, 0);
      if (got > 0) {
        return static_cast<std::size_t>(got);
      }
      if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
        return closed();
      }
    }
  }

 private:
  int fd_ = -1;
};

// As librdkafka looks a broker up.
addrinfo lookup_hints(std::string_view address_family) {
  addrinfo hints{};
  hints.ai_flags = AI_ADDRCONFIG;
  hints.ai_family = address_family == "v4"   ? AF_INET
                    : address_family == "v6" ? AF_INET6
                                             : AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  return hints;
}

Socket connect_to(const std::string& host, const std::string& port, const addrinfo& hints,
                  Deadline deadline) {
  addrinfo* raw = nullptr;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &raw) != 0) {
    return {};
  }
  const std::unique_ptr<addrinfo, Destroyer<::freeaddrinfo>> found(raw);
  int left = 0;
  for (const addrinfo* a = found.get(); a != nullptr; a = a->ai_next) {
    ++left;
  }
  for (const addrinfo* a = found.get(); a != nullptr; a = a->ai_next) {
    const auto now = std::chrono::steady_clock::now();
    const Deadline part_end = now + (deadline - now) / left--;
    Socket socket(::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.is_open()) {
      continue;
    }
    if (::connect(socket.fd(), a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS) {
      continue;
    }
    int error = 0;
    socklen_t size = sizeof(error);
    if (socket.wait(POLLOUT, part_end) &&
        ::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0) {
      return socket;
    }
  }
  return {};
}

// host:port, [v6]:port, scheme://host:port; the port may be missing.
std::pair<std::string, std::string> split_address(std::string_view address) {
  if (const auto scheme = address.find("://"); scheme != std::string_view::npos) {
    address.remove_prefix(scheme + 3);
  }
  std::string_view port = "9092";
  const auto colon = address.rfind(':');
  if (colon != std::string_view::npos && address.find(']', colon) == std::string_view::npos) {
    port = address.substr(colon + 1);
    address = address.substr(0, colon);
  }
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  return {std::string(address), std::string(port)};
}

bool is_ip(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> unused{};
  return ::inet_pton(AF_INET, host.c_str(), unused.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), unused.data()) == 1;
}

// ---- TLS ----

// The oldest of OpenSSL's errors of this thread, which says why; the others go.
std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown error" : reason;
}

// Without one, OpenSSL would ask on the terminal. The password is `login`'s, of its length.
int give_key_password(char* to, int size, int /*is_for_writing*/, void* login) {
  const std::string& password = static_cast<const BrokerLogin*>(login)->key_password;
  if (password.empty() || password.size() > static_cast<std::size_t>(size)) {
    return -1;
  }
  return static_cast<int>(password.copy(to, password.size()));
}

BioPtr reading(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

CertificatePtr next_certificate(BIO& pem) {
  return CertificatePtr(PEM_read_bio_X509(&pem, nullptr, nullptr, nullptr));
}

bool trust(SSL_CTX& context, const BrokerLogin& login) {
  if (login.ca_location.empty() && login.ca_pem.empty()) {
    SSL_CTX_set_default_verify_paths(&context);  // none is no error to librdkafka either
    return true;
  }
  if (!login.ca_location.empty()) {
    struct stat found {};

    const bool is_directory =
        ::stat(login.ca_location.c_str(), &found) == 0 && S_ISDIR(found.st_mode);
    const char* const location = login.ca_location.c_str();
    if ((is_directory ? SSL_CTX_load_verify_dir(&context, location)
                      : SSL_CTX_load_verify_file(&context, location)) != 1) {
      return false;
    }
  }
  const BioPtr pem = reading(login.ca_pem);
  bool has_one = login.ca_pem.empty();
  while (const CertificatePtr certificate = next_certificate(*pem)) {
    has_one = X509_STORE_add_cert(SSL_CTX_get_cert_store(&context), certificate.get()) == 1;
  }
  return has_one;
}

bool show_certificate(SSL_CTX& context, const BrokerLogin& login) {
  if (!login.certificate_location.empty() &&
      SSL_CTX_use_certificate_chain_file(&context, login.certificate_location.c_str()) != 1) {
    return false;
  }
  if (login.certificate_pem.empty()) {
    return true;
  }
  const BioPtr pem = reading(login.certificate_pem);
  const CertificatePtr own = next_certificate(*pem);
  if (!own || SSL_CTX_use_certificate(&context, own.get()) != 1) {
    return false;
  }
  while (const CertificatePtr issuer = next_certificate(*pem)) {
    SSL_CTX_add1_chain_cert(&context, issuer.get());
  }
  return true;
}

bool prove_it(SSL_CTX& context, BrokerLogin login) {
  if (!login.key_location.empty() &&
      SSL_CTX_use_PrivateKey_file(&context, login.key_location.c_str(), SSL_FILETYPE_PEM) != 1) {
    return false;
  }
  if (login.key_pem.empty()) {
    return true;
  }
  const BioPtr pem = reading(login.key_pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(pem.get(), nullptr, give_key_password, &login));
  return key && SSL_CTX_use_PrivateKey(&context, key.get()) == 1;
}

// A socket, in TLS or not. TLS reads and writes memory, and its bytes go through the socket's own
// calls: those have a deadline and raise no SIGPIPE.
class Link {
 public:
  Link(Socket socket, Deadline deadline) : socket_(std::move(socket)), deadline_(deadline) {}

  Status encrypt(SSL_CTX& context, const BrokerLogin& login, const std::string& host) {
    ERR_clear_error();
    tls_.reset(SSL_new(&context));
    BioPtr in(BIO_new(BIO_s_mem()));
    BioPtr out(BIO_new(BIO_s_mem()));
    const bool is_made = tls_ && in && out &&
                         (is_ip(host) || SSL_set_tlsext_host_name(tls_.get(), host.c_str()) == 1) &&
                         (!login.verifies_host || SSL_set1_host(tls_.get(), host.c_str()) == 1);
    if (!is_made) {
      return refused(openssl_reason());
    }
    received_ = in.get();
    to_send_ = out.get();
    SSL_set_bio(tls_.get(), in.release(), out.release());
    return drive([this] { return SSL_connect(tls_.get()); });
  }

  Status send(std::string_view bytes) {
    return tls_ ? drive([&] {
      return SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()));
    })
                : socket_.send_all(bytes, deadline_);
  }

  // Fills all of it.
  Status receive(std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      std::size_t got = 0;
      if (tls_) {
        WEIR_TRY(drive(
            [&] { return SSL_read_ex(tls_.get(), bytes.data() + at, bytes.size() - at, &got); }));
      } else {
        WEIR_TRY_ASSIGN(got, socket_.receive_some(bytes.data() + at, bytes.size() - at, deadline_));
      }
      at += got;
    }
    return Status::ok();
  }

 private:
  // Repeats `call`, one of OpenSSL's, until it is done.
  template <class Call>
  Status drive(Call call) {
    for (;;) {
      ERR_clear_error();
      const int done = call();
      const int error = SSL_get_error(tls_.get(), done);
      const std::string reason = error == SSL_ERROR_SSL ? why() : "";
      const Status flushed = flush();
      if (!reason.empty()) {
        return refused(reason);
      }
      WEIR_TRY(flushed);
      if (done > 0) {
        return Status::ok();
      }
      if (error != SSL_ERROR_WANT_READ) {
        return closed();
      }
      WEIR_TRY(fill());
    }
  }

  std::string why() const {
    const std::string reason = openssl_reason();
    const long verified = SSL_get_verify_result(tls_.get());
    return verified == X509_V_OK || SSL_get_verify_mode(tls_.get()) == SSL_VERIFY_NONE
               ? reason
               : fmt::format("{}: {}", reason, X509_verify_cert_error_string(verified));
  }

  Status flush() {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(to_send_, &bytes);
    Status sent =
        socket_.send_all({bytes, static_cast<std::size_t>(std::max(size, 0L))}, deadline_);
    static_cast<void>(BIO_reset(to_send_));
    return sent;
  }

  Status fill() {
    std::array<char, 16'384> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    WEIR_TRY_ASSIGN(const std::size_t got,
                    socket_.receive_some(bytes.data(), bytes.size(), deadline_));
    return BIO_write(received_, bytes.data(), static_cast<int>(got)) == static_cast<int>(got)
               ? Status::ok()
               : refused("no memory");
  }

  Socket socket_;
  const Deadline deadline_;
  SslPtr tls_;
  BIO* received_ = nullptr;  // tls_'s, as the next
  BIO* to_send_ = nullptr;
};

// ---- requests ----

Result<std::string> exchange(Link& link, std::string_view request, std::size_t answer_bytes_max) {
  WEIR_TRY(link.send(request));
  std::string head(4, '\0');
  WEIR_TRY(link.receive(head));
  const std::int64_t size = ProtocolReader(head).number(4);
  if (size < 0 || static_cast<std::size_t>(size) > answer_bytes_max) {
    return refused("no answer of Kafka's");
  }
  std::string answer(static_cast<std::size_t>(size), '\0');
  WEIR_TRY(link.receive(answer));
  return answer;
}

// ---- SASL ----

// What begins an answer of SaslHandshake and SaslAuthenticate.
Status check_login_answer(ProtocolReader& answer) {
  const std::int64_t correlation = answer.number(4);
  const std::int64_t error = answer.number(2);
  if (answer.has_failed() || correlation != 1) {
    return refused("no answer of Kafka's");
  }
  return error == 0 ? Status::ok()
                    : refused(rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error)));
}

Status agree_on_mechanism(Link& link, std::string_view client_id, const std::string& mechanism) {
  constexpr std::uint16_t kSaslHandshake = 17;
  std::string body;
  put_number(body, mechanism.size(), 2);
  body += mechanism;
  WEIR_TRY_ASSIGN(
      const std::string answer,
      exchange(link, request_frame(kSaslHandshake, 1, client_id, body), kLoginAnswerBytesMax));
  ProtocolReader reader(answer);
  return check_login_answer(reader);
}

// Version 0: a session's length, which later ones tell, is nothing to a single request.
Result<std::string> send_token(Link& link, std::string_view client_id, std::string_view token) {
  constexpr std::uint16_t kSaslAuthenticate = 36;
  std::string body;
  put_number(body, token.size(), 4);
  body += token;
  WEIR_TRY_ASSIGN(
      const std::string answer,
      exchange(link, request_frame(kSaslAuthenticate, 0, client_id, body), kLoginAnswerBytesMax));
  ProtocolReader reader(answer);
  WEIR_TRY(check_login_answer(reader));
  reader.text(2);  // in words
  std::string reply(reader.text(4));
  return reader.has_failed() ? Result<std::string>(refused("no answer of Kafka's"))
                             : Result<std::string>(std::move(reply));
}

Status authenticate(Link& link, std::string_view client_id, const BrokerLogin& login) {
  if (login.mechanism == "PLAIN") {
    const std::string token = fmt::format("{0}{1}{0}{2}", '\0', login.username, login.password);
    return send_token(link, client_id, token).status();
  }
  std::string nonce = Scram::make_nonce();
  if (nonce.empty()) {
    return refused("OpenSSL has no randomness");
  }
  Scram scram(login.mechanism == "SCRAM-SHA-256" ? Scram::Hash::sha256 : Scram::Hash::sha512,
              login.username, login.password, std::move(nonce));
  WEIR_TRY_ASSIGN(const std::string first, send_token(link, client_id, scram.first()));
  Result<std::string> proof = scram.answer_to_first(first);
  if (!proof.is_ok()) {
    return refused(proof.status().message());
  }
  WEIR_TRY_ASSIGN(const std::string final, send_token(link, client_id, proof.value()));
  const Status proven = scram.take_final(final);
  return proven.is_ok() ? proven : refused(proven.message());
}

}  // namespace

BrokerConnector::BrokerConnector(BrokerLogin login) : login_(std::move(login)) {}

BrokerConnector::~BrokerConnector() = default;

void BrokerConnector::ContextDeleter::operator()(ssl_ctx_st* context) const {
  SSL_CTX_free(context);
}

Result<BrokerConnector::Context> BrokerConnector::make_context(const BrokerLogin& login) {
  ERR_clear_error();
  Context context(SSL_CTX_new(TLS_client_method()));
  if (!context) {
    return refused(openssl_reason());
  }
  // Only while the files are read.
  BrokerLogin reader = login;
  SSL_CTX_set_default_passwd_cb(context.get(), give_key_password);
  SSL_CTX_set_default_passwd_cb_userdata(context.get(), &reader);
  const auto failed = [](std::string_view what) {
    return refused(fmt::format("{} can't be used: {}", what, openssl_reason()));
  };
  if (!trust(*context, login)) {
    return failed("ssl.ca");
  }
  if (!show_certificate(*context, login)) {
    return failed("ssl.certificate");
  }
  if (!prove_it(*context, login)) {
    return failed("ssl.key");
  }
  SSL_CTX_set_default_passwd_cb_userdata(context.get(), nullptr);
  SSL_CTX_set_verify(context.get(), login.verifies_certificate ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                     nullptr);
  ERR_clear_error();  // the end of a PEM text counts as one
  return context;
}

Result<std::string> BrokerConnector::ask(std::string_view address, std::string_view client_id,
                                         std::string_view request, Deadline deadline) {
  Result<std::string> answer = converse(address, client_id, request, deadline);
  if (!answer.is_ok() && answer.status().remedy() != Remedy::retry) {
    context_.reset();
  }
  return answer;
}

Result<std::string> BrokerConnector::converse(std::string_view address, std::string_view client_id,
                                              std::string_view request, Deadline deadline) {
  const auto within = [&](const Status& status, std::string_view step) {
    return status.within(fmt::format("{}{}", address, step));
  };
  if (login_.is_encrypted && !context_) {
    Result<Context> made = make_context(login_);
    if (!made.is_ok()) {
      return made.status();
    }
    context_ = std::move(made).value();
  }
  const auto [host, port] = split_address(address);
  Socket socket = connect_to(host, port, lookup_hints(login_.address_family), deadline);
  if (!socket.is_open()) {
    return within(Status::retry("can't be reached"), "");
  }
  Link link(std::move(socket), deadline);
  if (login_.is_encrypted) {
    if (const Status encrypted = link.encrypt(*context_, login_, host); !encrypted.is_ok()) {
      return within(encrypted, ": TLS handshake");
    }
  }
  if (!login_.mechanism.empty()) {
    Status status = agree_on_mechanism(link, client_id, login_.mechanism);
    if (status.is_ok()) {
      status = authenticate(link, client_id, login_);
    }
    if (!status.is_ok()) {
      return within(status, fmt::format(": SASL {}", login_.mechanism));
    }
  }
  Result<std::string> answer = exchange(link, request, kAnswerBytesMax);
  return answer.is_ok() ? std::move(answer) : Result<std::string>(within(answer.status(), ""));
}

}  // namespace weir
