// One question to a process's endpoint.
#pragma once

#include <chrono>
#include <string>

#include "weir/status.h"

namespace weir {

// The body of `path` at `address` (host:port), whatever its status code. Fails as stop(unavailable)
// when there is no whole answer in time.
Result<std::string> http_get(const std::string& address, const std::string& path,
                             std::chrono::milliseconds wait_max);

}  // namespace weir
