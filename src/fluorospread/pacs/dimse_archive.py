"""An archive that speaks DIMSE (PS3.7): C-ECHO, C-FIND, C-GET or C-MOVE, C-STORE."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from fluorospread.errors import PacsConnectionError, PacsError, PacsResponseError, PacsSecurityError
from fluorospread.pacs.archive import (
    STUDY_KEYWORDS,
    InstanceEntry,
    Receive,
    StudyEntry,
    StudyQuery,
    checked_uid,
    study_of,
    text_of,
)
from fluorospread.pacs.dimse_contexts import LIKELY_CLASSES, SYNTAXES
from fluorospread.pacs.settings import PREFIX, PacsSettings, tls_context

# An association has at most 128 presentation contexts (PS3.8 9.3.2.2); one is the query's.
_MOST_CONTEXTS = 127
# An archive that rejects and hangs up at once can seem to have hung up only; asked again, it tells.
_ASSOCIATION_TRIES = 3
_UIDS_A_REQUEST = 50
_SUCCESS, _CANCELLED, _OUT_OF_RESOURCES = 0x0000, 0xFE00, 0xA700
_PENDING = (0xFF00, 0xFF01)
# Stored, though the archive changed or missed something (PS3.4 table B.2-1).
_STORED = (_SUCCESS, 0xB000, 0xB006, 0xB007)
_BY_NAME_AND_PASSWORD = 2


class DimseArchive:
    """See `Archive`. Each request has an association of its own, so that none outlives a broken connection."""

    def __init__(self, settings: PacsSettings) -> None:
        self._settings = settings
        self._tls = tls_context(settings) if settings.is_encrypted else None

    def echo(self) -> str:
        with self._association([build_context(Verification)]) as association:
            self._check(association.send_c_echo())
        return f"DIMSE at {self._settings.address}"

    def find(self, query: StudyQuery) -> tuple[StudyEntry, ...]:
        asked = _question("STUDY", dict.fromkeys(STUDY_KEYWORDS, "") | query.attributes())
        return tuple(study_of(answer) for answer in self._found(asked))

    def instances(self, study_uid: str) -> tuple[InstanceEntry, ...]:
        series = self._found(
            _question("SERIES", {"StudyInstanceUID": study_uid, "SeriesInstanceUID": "", "Modality": ""})
        )
        found: list[InstanceEntry] = []
        for answer in series:
            series_uid = checked_uid(text_of(answer, "SeriesInstanceUID"), "Series Instance UID")
            asked = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid, "SOPInstanceUID": ""}
            for image in self._found(_question("IMAGE", asked | {"SOPClassUID": ""})):
                sop_uid = checked_uid(text_of(image, "SOPInstanceUID"), "SOP Instance UID")
                sop_class = text_of(image, "SOPClassUID")
                found.append(InstanceEntry(study_uid, series_uid, sop_uid, sop_class, text_of(answer, "Modality")))
        return tuple(found)

    def fetch(self, wanted: Sequence[InstanceEntry], receive: Receive) -> None:
        by_series: dict[tuple[str, str], list[InstanceEntry]] = {}
        for entry in wanted:
            by_series.setdefault((entry.series_uid, entry.sop_class_uid), []).append(entry)
        for entries in by_series.values():
            for start in range(0, len(entries), _UIDS_A_REQUEST):
                self._fetch_some(entries[start : start + _UIDS_A_REQUEST], receive)

    def store(self, dataset: Dataset) -> None:
        syntax = dataset.file_meta.TransferSyntaxUID
        with self._association([build_context(dataset.SOPClassUID, syntax)]) as association:
            try:
                status = association.send_c_store(dataset)
            except ValueError as error:
                raise PacsResponseError(
                    f"{self._settings.address} does not take {UID(dataset.SOPClassUID).name} as {syntax.name}"
                ) from error
            self._check(status, _STORED)

    def _fetch_some(self, entries: Sequence[InstanceEntry], receive: Receive) -> None:
        first = entries[0]
        uids = [entry.sop_uid for entry in entries]
        question = _question("IMAGE", {"StudyInstanceUID": first.study_uid, "SeriesInstanceUID": first.series_uid})
        question.SOPInstanceUID = uids[0] if len(uids) == 1 else uids
        arrival = _Arrival({entry.sop_uid: entry for entry in entries}, receive)
        handlers = [(evt.EVT_C_STORE, arrival.handle)]
        classes = (first.sop_class_uid,) if first.sop_class_uid else LIKELY_CLASSES
        ask = self._get if self._settings.move_port is None else self._move
        statuses = ask(question, handlers, classes)
        arrival.raise_problem()
        self._check(statuses[-1] if statuses else Dataset())

    def _get(self, question: Dataset, handlers: list[Any], classes: Sequence[str]) -> list[Dataset]:
        # One context a syntax: an archive that may choose among several takes one and recodes to it.
        contexts = [build_context(sop_class, syntax) for sop_class in classes for syntax in SYNTAXES]
        model = StudyRootQueryRetrieveInformationModelGet
        roles = [build_role(sop_class, scp_role=True) for sop_class in classes]
        with self._association([build_context(model), *contexts], handlers, roles) as association:
            return [status for status, _ in association.send_c_get(question, model)]

    def _move(self, question: Dataset, handlers: list[Any], classes: Sequence[str]) -> list[Dataset]:
        """Ask the archive to send to a port of ours; it must know our AE title and address."""
        receiver = AE(ae_title=self._settings.ae_title)
        receiver.supported_contexts = [build_context(sop_class, list(SYNTAXES)) for sop_class in classes]
        model = StudyRootQueryRetrieveInformationModelMove
        try:
            server = receiver.start_server(
                ("", self._settings.move_port), block=False, evt_handlers=handlers, ssl_context=self._receiving_tls()
            )
        except OSError as error:
            raise PacsConnectionError(f"{PREFIX}_MOVE_PORT cannot be listened on ({error.strerror})") from error
        try:
            with self._association([build_context(model)]) as association:
                answers = association.send_c_move(question, self._settings.ae_title, model)
                return [status for status, _ in answers]
        finally:
            server.shutdown()

    def _receiving_tls(self) -> ssl.SSLContext | None:
        """For the port that the archive sends to; None where nothing is encrypted.

        Raises
        ------
        PacsSecurityError
            We ask over TLS, but have no certificate with which the images could come back so.
        """
        if not self._settings.is_encrypted:
            return None
        if not self._settings.certificate:
            raise PacsSecurityError(
                f"C-MOVE over TLS needs a certificate of our own, or the images would come back unencrypted; set "
                f"{PREFIX}_CERTIFICATE and {PREFIX}_PRIVATE_KEY, or unset {PREFIX}_MOVE_PORT to fetch by C-GET"
            )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._settings.certificate, self._settings.private_key or None)
        return context

    def _found(self, question: Dataset) -> Iterator[Dataset]:
        model = StudyRootQueryRetrieveInformationModelFind
        answers: list[Dataset] = []
        with self._association([build_context(model)]) as association:
            last = Dataset()
            for status, answer in association.send_c_find(question, model):
                last = status
                if answer is not None:
                    answers.append(answer)
            self._check(last)
        yield from answers

    @contextmanager
    def _association(
        self, contexts: list[Any], handlers: list[Any] | None = None, roles: Sequence[Any] = ()
    ) -> Iterator[Association]:
        settings = self._settings
        self._probe()
        entity = AE(ae_title=settings.ae_title)
        entity.connection_timeout = entity.acse_timeout = settings.timeout_s
        entity.dimse_timeout = entity.network_timeout = settings.timeout_s
        tls = None if self._tls is None else (self._tls, settings.host)
        for _ in range(_ASSOCIATION_TRIES):
            association = entity.associate(
                settings.host,
                settings.port,
                contexts[: _MOST_CONTEXTS + 1],
                ae_title=settings.called_ae_title,
                ext_neg=[*roles, *self._user()],
                evt_handlers=handlers,
                tls_args=tls,
            )
            if association.is_established or association.is_rejected:
                break
        if not association.is_established:
            raise self._not_established(association)
        try:
            yield association
        except PacsError:
            raise
        except ValueError as error:
            # pynetdicom's word for a service that the archive did not accept.
            raise PacsResponseError(
                f"{settings.address} does not offer what was asked ({error.args[0] if error.args else 'no reason'})"
            ) from error
        finally:
            if association.is_established:
                association.release()

    def _probe(self) -> None:
        """Connect once beforehand: pynetdicom does not say why a connection failed."""
        settings = self._settings
        try:
            with socket.create_connection((settings.host, settings.port), settings.timeout_s) as connection:
                if self._tls is not None:
                    with self._tls.wrap_socket(connection, server_hostname=settings.host):
                        pass
        except ssl.SSLError as error:
            raise PacsSecurityError(
                f"{settings.address}: its certificate is not trusted, or ours is not accepted; name the authority "
                f"that signed it in {PREFIX}_CA (a PEM file)"
            ) from error
        except OSError as error:
            raise PacsConnectionError(
                f"{settings.address}: no connection ({error.strerror or type(error).__name__}); check address and "
                "network. What arrived is kept: run the same again"
            ) from error

    def _not_established(self, association: Association) -> PacsError:
        where, settings = self._settings.address, self._settings
        if association.is_rejected:
            return PacsSecurityError(
                f"{where}: the association was rejected; does the archive know our AE title {settings.ae_title!r}, "
                f"is {settings.called_ae_title!r} its own, and are {PREFIX}_USER and {PREFIX}_PASSWORD right?"
            )
        return PacsConnectionError(
            f"{where}: no association; is this a DICOM port, and does it offer the service? Run the same again"
        )

    def _user(self) -> list[UserIdentityNegotiation]:
        if not self._settings.user:
            return []
        identity = UserIdentityNegotiation()
        identity.user_identity_type = _BY_NAME_AND_PASSWORD
        identity.positive_response_requested = False
        identity.primary_field = self._settings.user.encode("utf-8")
        identity.secondary_field = self._settings.password.encode("utf-8")
        return [identity]

    def _check(self, status: Dataset, good: Sequence[int] = (_SUCCESS,)) -> None:
        """Refuse any other final status; an empty one means that the connection broke."""
        where = self._settings.address
        if "Status" not in status:
            raise PacsConnectionError(
                f"{where}: the connection broke or no answer came in time. What arrived is kept: run the same again"
            )
        if status.Status in good:
            return
        raise PacsResponseError(f"{where}: refused with status 0x{status.Status:04X}; ask its administrator")


class _Arrival:
    """Takes objects that the archive sends and remembers what went wrong, as pynetdicom swallows exceptions."""

    def __init__(self, wanted: dict[str, InstanceEntry], receive: Receive) -> None:
        self._wanted, self._receive = wanted, receive
        self._problem: Exception | None = None

    def handle(self, event: evt.Event) -> int:
        entry = self._wanted.get(str(event.request.AffectedSOPInstanceUID))
        if entry is None:
            return _CANCELLED
        try:
            self._receive(entry, event.encoded_dataset())
        except Exception as problem:
            self._problem = problem
            return _OUT_OF_RESOURCES
        return _SUCCESS

    def raise_problem(self) -> None:
        if self._problem is not None:
            raise self._problem


def _question(level: str, attributes: dict[str, str]) -> Dataset:
    question = Dataset()
    question.QueryRetrieveLevel = level
    for keyword, value in attributes.items():
        setattr(question, keyword, value)
    if not all(value.isascii() for value in attributes.values()):
        question.SpecificCharacterSet = "ISO_IR 192"
    return question
