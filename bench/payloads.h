// Ready messages in a file: a length of four bytes, little endian, then so many bytes, again and
// again.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

// At least one, each beginning with a string field 1 of 16 to 127 bytes; otherwise ends the
// program.
inline std::vector<std::string> read_payloads(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::string> payloads;
  for (std::uint32_t size = 0; file.read(reinterpret_cast<char*>(&size), sizeof(size));) {
    payloads.emplace_back(size, '\0');
    file.read(payloads.back().data(), static_cast<std::streamsize>(size));
    if (!file || size < 18 || payloads.back()[0] != '\x0a' || payloads.back()[1] < 16) {
      payloads.clear();
      break;
    }
  }
  if (payloads.empty()) {
    std::fprintf(stderr, "%s holds no payloads as wanted\n", path);
    std::exit(1);
  }
  return payloads;
}

inline void write_payload(std::ofstream& file, std::string_view payload) {
  const auto size = static_cast<std::uint32_t>(payload.size());
  file.write(reinterpret_cast<const char*>(&size), sizeof(size));
  file.write(payload.data(), static_cast<std::streamsize>(payload.size()));
}

}  // namespace bench
