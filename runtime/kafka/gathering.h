// Turns the messages of one poll into a batch that owns them. Private to this folder.
#pragma once

#include <memory>

#include "kafka/handles.h"
#include "loop/io.h"

namespace weir {

class Gathering {
 public:
  Gathering();
  ~Gathering();

  void add(InputPartition where, MessagePtr message);

  // The end of a partition, as of now: a record added later takes it back.
  void add_end(const Position& end) { batch_.ends.push_back(end); }

  void clear();

  bool is_empty() const { return batch_.records.empty() && batch_.ends.empty(); }

  std::size_t size() const { return batch_.records.size(); }

  Batch finish() &&;

 private:
  struct Messages;

  Batch batch_;
  std::unique_ptr<Messages> messages_;
};

}  // namespace weir
