//! The record of a hand-over, as it is typed.

use chassis::{Call, Fields};
use proto::isolation::v1::HandOverRequest;

use crate::domain::order::Receipt;

/// Two people, and two times that follow each other.
pub(super) fn receipt(fields: &mut Fields, request: &HandOverRequest, call: &Call) -> Receipt {
    let receiver = fields.required("receiver", &request.receiver, 100).to_owned();
    let vehicle = fields.required("vehicle", &request.vehicle, 50).to_owned();
    let number = fields.required("receipt", &request.receipt, 100).to_owned();
    fields.at_most("place", &request.place, 100);
    fields.at_most("handed_by", &request.handed_by, 100);
    let given = request.handed_by.trim();
    let handed_by = if given.is_empty() { call.principal.subject.clone() } else { given.to_owned() };
    fields.check(
        "handed_by",
        handed_by != receiver,
        "移交人和接收人不能是同一个人：请填写两个人的姓名",
        "is the receiver: name the two people, who hands over and who receives",
    );
    let mut time = |field, given: Option<&_>, else_at| match given {
        Some(_) => fields.time(field, given).unwrap_or(else_at),
        None => else_at,
    };
    let received = time("receive_time", request.receive_time.as_ref(), call.now);
    let left = time("leave_time", request.leave_time.as_ref(), received);
    fields.check(
        "receive_time",
        received <= call.now,
        "接收时间在将来：请填写已经接收的时间",
        "lies in the future: give the time at which the person was received",
    );
    fields.check(
        "leave_time",
        left <= received,
        "离开时间晚于接收时间：请核对先后",
        "lies after receive_time: first the vehicle leaves, then the person is received",
    );
    Receipt { receiver, vehicle, receipt: number, place: request.place.trim().to_owned(), handed_by, left, received }
}
