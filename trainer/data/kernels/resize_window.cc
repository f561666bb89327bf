// ResizeWindow: pixels -> a picture of the network's size, mirrored or not.
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "bicubic.h"

namespace trainer {
namespace {

namespace tf = tensorflow;

REGISTER_OP("TrainerResizeWindow")
    .Input("pixels: uint8")
    .Input("is_mirrored: bool")
    .Output("resized: float")
    .Attr("image_size: int >= 4")
    .SetShapeFn([](tf::shape_inference::InferenceContext* context) {
      int64_t side;
      TF_RETURN_IF_ERROR(context->GetAttr("image_size", &side));
      context->set_output(0, context->MakeShape({side, side, kChannels}));
      return absl::OkStatus();
    });

class ResizeWindow : public tf::OpKernel {
 public:
  explicit ResizeWindow(tf::OpKernelConstruction* context) : tf::OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("image_size", &image_size_));
  }

  void Compute(tf::OpKernelContext* context) override {
    const tf::Tensor& pixels = context->input(0);
    OP_REQUIRES(
        context,
        pixels.dims() == 3 && pixels.dim_size(2) == kChannels &&
            pixels.NumElements() > 0,
        absl::InvalidArgumentError("pixels are [height, width, 3] and not empty"));
    OP_REQUIRES(context, context->input(1).dims() == 0,
                absl::InvalidArgumentError("is_mirrored is one value"));
    tf::Tensor* resized = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(
                                0, {image_size_, image_size_, kChannels}, &resized));
    const int width = pixels.dim_size(1);
    thread_local ResizeBuffers buffers;
    Resize(pixels.flat<uint8_t>().data(), int64_t{width} * kChannels,
           pixels.dim_size(0), width, image_size_, context->input(1).scalar<bool>()(),
           &buffers, resized->flat<float>().data());
  }

 private:
  int image_size_;
};

REGISTER_KERNEL_BUILDER(
    Name("TrainerResizeWindow").Device(tf::DEVICE_CPU), ResizeWindow);

}  // namespace
}  // namespace trainer
