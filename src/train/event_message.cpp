#include "train/event_message.hpp"

#include <bit>
#include <cstdint>

namespace lorry::train {

namespace {

// How a field's value is encoded, in the low three bits of its key.
enum WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Numbers of the fields.
constexpr std::uint32_t kEventTime = 1, kEventStep = 2, kEventVersion = 3, kEventSummary = 5,
                        kEventSession = 7, kEventSource = 10;
constexpr std::uint32_t kSourceWriter = 1;
constexpr std::uint32_t kSessionStatus = 1;
constexpr std::uint32_t kSummaryValue = 1;
constexpr std::uint32_t kValueTag = 1, kValueSimple = 2, kValueTensor = 8, kValueMetadata = 9;
constexpr std::uint32_t kMetadataPlugin = 1, kPluginName = 1;
constexpr std::uint32_t kTensorType = 1, kTensorShape = 2, kTensorString = 8;
constexpr std::uint32_t kShapeDimension = 2, kDimensionSize = 1;

constexpr std::uint64_t kSessionStart = 1;
constexpr std::uint64_t kTypeString = 7;

class Message {
 public:
  Message& varint(std::uint32_t field, std::uint64_t value) {
    key(field, kVarint);
    number(value);
    return *this;
  }
  Message& fixed64(std::uint32_t field, double value) {
    key(field, kFixed64);
    little(std::bit_cast<std::uint64_t>(value), sizeof(value));
    return *this;
  }
  Message& fixed32(std::uint32_t field, float value) {
    key(field, kFixed32);
    little(std::bit_cast<std::uint32_t>(value), sizeof(value));
    return *this;
  }
  Message& bytes(std::uint32_t field, std::string_view value) {
    key(field, kBytes);
    number(value.size());
    out_ += value;
    return *this;
  }
  Message& message(std::uint32_t field, const Message& value) { return bytes(field, value.out_); }
  [[nodiscard]] const std::string& encoded() const { return out_; }

 private:
  void key(std::uint32_t field, WireType type) { number((field << 3U) | type); }
  void number(std::uint64_t value) {
    for (; value >= 0x80U; value >>= 7U) out_ += static_cast<char>((value & 0x7FU) | 0x80U);
    out_ += static_cast<char>(value);
  }
  void little(std::uint64_t value, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) out_ += static_cast<char>((value >> (8 * i)) & 0xFFU);
  }

  std::string out_;
};

Message event_at(double time, Index step) {
  Message event;
  event.fixed64(kEventTime, time);
  if (step != 0) event.varint(kEventStep, static_cast<std::uint64_t>(step));  // 0 is what is not there
  return event;
}

/// Goes through the fields of a message.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  /// The next field into `field`, and its value into `number` or `content`; false at the end, and where the
  /// bytes are no message (then not whole()).
  bool next() {
    if (bytes_.empty()) return false;
    const std::optional<std::uint64_t> key = take_number();
    if (!key) return false;
    field = *key >> 3U;
    number = 0;
    content = {};
    switch (*key & 7U) {
      case kVarint: {
        const std::optional<std::uint64_t> value = take_number();
        number = value.value_or(0);
        return value.has_value();
      }
      case kFixed64:
        return take(8);
      case kFixed32:
        return take(4);
      case kBytes: {
        const std::optional<std::uint64_t> length = take_number();
        return length && take(*length);
      }
      default:
        whole_ = false;
        return false;
    }
  }
  [[nodiscard]] bool whole() const { return whole_; }

  std::uint64_t field = 0;
  std::uint64_t number = 0;
  std::string_view content;

 private:
  std::optional<std::uint64_t> take_number() {
    constexpr std::size_t kMostBytes = 10;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < kMostBytes && i < bytes_.size(); ++i) {
      const auto byte = static_cast<unsigned char>(bytes_[i]);
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << (7 * i);
      if (byte < 0x80U) {
        bytes_.remove_prefix(i + 1);
        return value;
      }
    }
    whole_ = false;
    return std::nullopt;
  }
  bool take(std::uint64_t length) {
    whole_ = length <= bytes_.size();
    if (!whole_) return false;
    content = bytes_.substr(0, length);
    bytes_.remove_prefix(length);
    return true;
  }

  std::string_view bytes_;
  bool whole_ = true;
};

}  // namespace

std::string first_event(double time, std::string_view writer) {
  return event_at(time, 0)
      .bytes(kEventVersion, "brain.Event:2")
      .message(kEventSource, Message().bytes(kSourceWriter, writer))
      .encoded();
}

std::string restart_event(double time, Index step) {
  return event_at(time, step)
      .message(kEventSession, Message().varint(kSessionStatus, kSessionStart))
      .encoded();
}

std::string scalars_event(double time, Index step, std::span<const LogScalar> scalars) {
  Message summary;
  for (const LogScalar& scalar : scalars) {
    summary.message(
        kSummaryValue,
        Message().bytes(kValueTag, scalar.name).fixed32(kValueSimple, static_cast<float>(scalar.value)));
  }
  return event_at(time, step).message(kEventSummary, summary).encoded();
}

std::string text_event(double time, Index step, std::string_view tag, std::string_view text) {
  const Message shape = Message().message(kShapeDimension, Message().varint(kDimensionSize, 1));
  const Message tensor =
      Message().varint(kTensorType, kTypeString).message(kTensorShape, shape).bytes(kTensorString, text);
  const Message metadata = Message().message(kMetadataPlugin, Message().bytes(kPluginName, "text"));
  const Message value =
      Message().bytes(kValueTag, tag).message(kValueTensor, tensor).message(kValueMetadata, metadata);
  return event_at(time, step).message(kEventSummary, Message().message(kSummaryValue, value)).encoded();
}

std::optional<EventHead> read_event(std::string_view bytes) {
  EventHead head;
  Reader event(bytes);
  while (event.next()) {
    if (event.field == kEventStep) head.step = static_cast<Index>(event.number);
    if (event.field == kEventSummary) head.has_summary = true;
    if (event.field != kEventSource) continue;
    Reader source(event.content);
    while (source.next()) {
      if (source.field == kSourceWriter) head.writer = source.content;
    }
  }
  if (!event.whole()) return std::nullopt;
  return head;
}

}  // namespace lorry::train
