#include "loop/passed_headers.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "weir/headers.h"

namespace weir {

std::span<const Header> PassedHeaders::of(const RawRecord& record) {
  if (std::none_of(record.headers.begin(), record.headers.end(), is_own_header)) {
    return record.headers;
  }
  auto passed = std::make_unique<std::vector<Header>>();
  std::remove_copy_if(record.headers.begin(), record.headers.end(), std::back_inserter(*passed),
                      is_own_header);
  return *copies_.emplace_back(std::move(passed));
}

}  // namespace weir
