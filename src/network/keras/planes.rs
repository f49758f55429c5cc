//! Layers over height and width: convolutions, pooling, padding.

use super::activation::closing;
use super::graph::{Call, Net};
use super::value::Live;
use crate::evidence::EvidenceError;
use crate::network::op::{
    AdaptiveAvgPool, AvgPool, Conv2d, MaxPool, Op, Pad, Pick, View, Window, same_padding,
};
use ndarray::ArrayD;

/// Indices that an enlarged axis may have.
const SIDE: usize = 1 << 16;

/// A layer over planes; `None` when it is another.
pub(super) fn lower(net: &mut Net, call: &Call, v: Live) -> Result<Option<Live>, EvidenceError> {
    Ok(Some(match call.layer.class {
        "Conv2D" | "Convolution2D" => conv(net, call, v)?,
        "DepthwiseConv2D" => depthwise(net, call, v)?,
        "SeparableConv2D" | "SeparableConvolution2D" => separable(net, call, v)?,
        "MaxPooling2D" | "MaxPool2D" | "AveragePooling2D" | "AvgPool2D" => pool(net, call, v)?,
        "GlobalAveragePooling2D" | "GlobalAvgPool2D" | "GlobalMaxPooling2D" | "GlobalMaxPool2D" => {
            global_pool(net, call, v)?
        }
        "ZeroPadding2D" => {
            net.planes(call, v)?;
            let amounts = call.set.sides("padding").map_err(|r| net.fail(call, r))?;
            Live::planes(net.push(&call.name, Op::Pad(Pad { amounts, value: 0.0 }), &[v.id])?)
        }
        "Cropping2D" => crop(net, call, v)?,
        "UpSampling2D" => enlarge(net, call, v)?,
        _ => return Ok(None),
    }))
}

/// Stride, dilation and padding of a window of a size.
struct Windows {
    stride: [usize; 2],
    dilation: [usize; 2],
    padding: [usize; 4],
}

/// Reads them. Padding `same` gives as many windows as steps fit, the odd row or column below and right.
fn windows(
    net: &Net,
    call: &Call,
    v: Live,
    kernel: [usize; 2],
    stride: [usize; 2],
) -> Result<Windows, EvidenceError> {
    let [_, h, w] = net.planes(call, v)?;
    let dilation = call.set.pair("dilation_rate", [1, 1]).map_err(|r| net.fail(call, r))?;
    let mut padding = [0; 4];
    match call.set.text("padding").unwrap_or("valid") {
        "valid" => {}
        "same" => {
            for (axis, size) in [h, w].into_iter().enumerate() {
                let total = same_padding(size, kernel[axis], stride[axis], dilation[axis]);
                (padding[axis], padding[axis + 2]) = (total / 2, total - total / 2);
            }
        }
        other => {
            let how = format!("with padding '{}'", crate::evidence::text::visible(other));
            return Err(net.unsupported(call, &how));
        }
    }
    Ok(Windows { stride, dilation, padding })
}

/// Kernels, and the bias where there is one.
type Kernels = (Vec<ArrayD<f32>>, Option<ArrayD<f32>>);

/// The kernels and, where the layer has one, the bias.
fn kernels(net: &Net, call: &Call, roles: &[&str]) -> Result<Kernels, EvidenceError> {
    let biased = call.set.flag("use_bias", true);
    let mut all = roles.to_vec();
    all.extend(biased.then_some("bias"));
    let mut weights = net.weights(call, &all)?;
    let bias = if biased { weights.pop() } else { None };
    if let Some(bad) = weights.iter().find(|k| k.ndim() != 4) {
        return Err(net.fail(call, format!("has a kernel of shape {:?}, 4 axes are needed", bad.shape())));
    }
    Ok((weights, bias))
}

/// Height × width × in × out as out × in × height × width.
fn outward(kernel: ArrayD<f32>) -> ArrayD<f32> {
    kernel.permuted_axes(vec![3, 2, 0, 1]).as_standard_layout().into_owned()
}

fn push_conv(
    net: &mut Net,
    call: &Call,
    name: &str,
    v: Live,
    (role, kernel): (&str, ArrayD<f32>),
    bias: Option<ArrayD<f32>>,
    (windows, groups): (Windows, usize),
) -> Result<Live, EvidenceError> {
    let size = [kernel.shape()[2], kernel.shape()[3]];
    let weight = net.param(call, role, kernel, true);
    let bias = bias.map(|b| net.param(call, "bias", b, true));
    let Windows { stride, dilation, padding } = windows;
    let conv = Conv2d { weight, bias, kernel: size, stride, padding, dilation, groups };
    Ok(Live::planes(net.push(name, Op::Conv2d(conv), &[v.id])?))
}

fn size_of(kernel: &ArrayD<f32>) -> [usize; 2] {
    [kernel.shape()[0], kernel.shape()[1]]
}

/// Steps; a kernel without extent is refused before sizes are worked out from it.
fn strides(net: &Net, call: &Call, kernel: &ArrayD<f32>) -> Result<[usize; 2], EvidenceError> {
    if kernel.is_empty() {
        return Err(net.fail(call, format!("has a kernel of shape {:?}", kernel.shape())));
    }
    call.set.pair("strides", [1, 1]).map_err(|r| net.fail(call, r))
}

fn conv(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    let (mut kernel, bias) = kernels(net, call, &["kernel"])?;
    let kernel = kernel.swap_remove(0);
    let stride = strides(net, call, &kernel)?;
    let windows = windows(net, call, v, size_of(&kernel), stride)?;
    let [groups, _] = call.set.pair("groups", [1, 1]).map_err(|r| net.fail(call, r))?;
    let name = call.name.clone();
    let made = push_conv(net, call, &name, v, ("kernel", outward(kernel)), bias, (windows, groups))?;
    closing(net, call, made)
}

/// Height × width × in × multiplier as (in · multiplier) × 1 × height × width.
fn each_channel(net: &Net, call: &Call, kernel: ArrayD<f32>) -> Result<ArrayD<f32>, EvidenceError> {
    let &[h, w, c, m] = kernel.shape() else { return Err(net.fail(call, "has a kernel of an odd shape")) };
    kernel
        .permuted_axes(vec![2, 3, 0, 1])
        .as_standard_layout()
        .into_owned()
        .into_shape_with_order(vec![c * m, 1, h, w])
        .map_err(|e| net.fail(call, e.to_string()))
}

fn depthwise(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    let (mut kernel, bias) = kernels(net, call, &["depthwise_kernel|kernel"])?;
    let kernel = kernel.swap_remove(0);
    let stride = strides(net, call, &kernel)?;
    let windows = windows(net, call, v, size_of(&kernel), stride)?;
    let groups = kernel.shape()[2];
    let kernel = each_channel(net, call, kernel)?;
    let name = call.name.clone();
    let made = push_conv(net, call, &name, v, ("kernel", kernel), bias, (windows, groups))?;
    closing(net, call, made)
}

fn separable(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    let (mut kernel, bias) = kernels(net, call, &["depthwise_kernel", "pointwise_kernel"])?;
    let (point, depth) = (kernel.swap_remove(1), kernel.swap_remove(0));
    let stride = strides(net, call, &depth)?;
    let windows = windows(net, call, v, size_of(&depth), stride)?;
    let groups = depth.shape()[2];
    let depth = each_channel(net, call, depth)?;
    let name = format!("{}/depthwise", call.name);
    let made = push_conv(net, call, &name, v, ("depthwise_kernel", depth), None, (windows, groups))?;
    let one = Windows { stride: [1, 1], dilation: [1, 1], padding: [0; 4] };
    let name = call.name.clone();
    let made = push_conv(net, call, &name, made, ("pointwise_kernel", outward(point)), bias, (one, 1))?;
    closing(net, call, made)
}

fn pool(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    let kernel = call.set.pair("pool_size", [2, 2]).map_err(|r| net.fail(call, r))?;
    let stride = call.set.pair("strides", kernel).map_err(|r| net.fail(call, r))?;
    let Windows { stride, dilation, padding } = windows(net, call, v, kernel, stride)?;
    let window = Window { kernel, stride, padding, dilation, ceil: false };
    let op = if call.layer.class.starts_with("Max") {
        Op::MaxPool(MaxPool(window))
    } else {
        Op::AvgPool(AvgPool { window, count_padding: false })
    };
    Ok(Live::planes(net.push(&call.name, op, &[v.id])?))
}

fn global_pool(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    let [_, h, w] = net.planes(call, v)?;
    let op = if call.layer.class.starts_with("GlobalMax") {
        Op::MaxPool(MaxPool(Window::new([h, w], [h, w])))
    } else {
        Op::AdaptiveAvgPool(AdaptiveAvgPool { size: [1, 1] })
    };
    let id = net.push(&call.name, op, &[v.id])?;
    if call.set.flag("keepdims", false) {
        return Ok(Live::planes(id));
    }
    Ok(Live::plain(net.push(&format!("{}/row", call.name), Op::View(View::Flatten), &[id])?))
}

/// Takes indices of rows, then of columns.
fn picked(
    net: &mut Net,
    call: &Call,
    v: Live,
    rows: Vec<usize>,
    columns: Vec<usize>,
) -> Result<Live, EvidenceError> {
    let rows = Op::Pick(Pick { axis: 1, indices: rows });
    let id = net.push(&format!("{}/rows", call.name), rows, &[v.id])?;
    let columns = Op::Pick(Pick { axis: 2, indices: columns });
    Ok(Live::planes(net.push(&call.name, columns, &[id])?))
}

fn crop(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    let [_, h, w] = net.planes(call, v)?;
    let [top, left, bottom, right] = call.set.sides("cropping").map_err(|r| net.fail(call, r))?;
    if top + bottom >= h || left + right >= w {
        return Err(net.fail(call, format!("leaves nothing of {h}×{w}")));
    }
    picked(net, call, v, (top..h - bottom).collect(), (left..w - right).collect())
}

fn enlarge(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    let [_, h, w] = net.planes(call, v)?;
    let [down, right] = call.set.pair("size", [2, 2]).map_err(|r| net.fail(call, r))?;
    if call.set.text("interpolation").unwrap_or("nearest") != "nearest" {
        return Err(net.unsupported(call, "with an interpolation other than 'nearest'"));
    }
    if h.saturating_mul(down) > SIDE || w.saturating_mul(right) > SIDE {
        return Err(net.fail(call, format!("makes more than {SIDE} rows or columns")));
    }
    let rows = (0..h * down).map(|i| i / down).collect();
    picked(net, call, v, rows, (0..w * right).map(|i| i / right).collect())
}
