// Greets each name once, however often Kafka delivers it. The template of a new stage.
#include "hello/v1/hello.pb.h"

#include <weir/stage.h>

namespace stages::hello {

class Hello final : public weir::Stage {
 public:
  struct Options {
    std::string greeting = "hello";
  };

  explicit Hello(const Options& options) : options_(options) {}

  // Two records with one id are one record; one without an id is a dead letter.
  weir::DedupKey dedup_key(const weir::Record& record) const override {
    return weir::DedupKey::of(record.message<::hello::v1::Name>().id());
  }

  void process(const weir::Record& record, weir::Out& out) override {
    ::hello::v1::Greeting greeting;
    greeting.set_text(options_.greeting + ", " + record.message<::hello::v1::Name>().name());
    out.emit("greetings", greeting);
  }

 private:
  const Options options_;
};

weir::StageSpec spec() {
  return weir::StageSpec::of<Hello>("hello", "Greets each name once.")
      .input<::hello::v1::Name>("names", "Who is to be greeted.")
      .output<::hello::v1::Greeting>("greetings", "One greeting per id.")
      .option("greeting", &Hello::Options::greeting, "The word before the name.");
}

}  // namespace stages::hello
