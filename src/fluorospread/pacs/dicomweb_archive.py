"""An archive that speaks DICOMweb (PS3.18): QIDO-RS to find, WADO-RS to fetch, STOW-RS to store."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import requests
from dicomweb_client.web import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

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
from fluorospread.pacs.settings import PREFIX, PacsSettings, tls_context

Answer = TypeVar("Answer")

# The archive's own pages may be smaller; the client asks until all are there.
_PAGE = 500
_ATTEMPTS = 2


class _Connections(HTTPAdapter):
    """Connections with our own TLS context, so that only the given authority is trusted; reading is tried again
    where the archive is busy."""

    def __init__(self, settings: PacsSettings) -> None:
        self._context = tls_context(settings) if settings.is_encrypted else None
        retry = Retry(_ATTEMPTS, status_forcelist=(429, 503, 504), backoff_factor=0.3, raise_on_status=False)
        super().__init__(max_retries=retry)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)


class DicomwebArchive:
    """See `Archive`. One instance keeps one session; credentials are sent to the archive's own host only."""

    def __init__(self, settings: PacsSettings) -> None:
        self._settings = settings
        session = requests.Session()
        # The environment's proxies, certificates and .netrc are not ours: what is sent is only what was set for us.
        session.trust_env = False
        session.mount(f"{settings.address.split(':')[0]}://", _Connections(settings))
        # requests adds its own authorities unless told otherwise.
        session.verify = settings.ca_file or True
        session.headers["Accept"] = "application/dicom+json"
        if settings.token:
            session.headers["Authorization"] = f"Bearer {settings.token}"
        elif settings.user:
            session.auth = (settings.user, settings.password)
        session.max_redirects = 3
        self._client = DICOMwebClient(settings.address, session=session, timeout=settings.timeout_s)
        self._client.set_http_retry_params(retry=False)

    def echo(self) -> str:
        self._asked(lambda: self._client.search_for_studies(limit=1))
        return f"DICOMweb at {self._settings.address}"

    def find(self, query: StudyQuery) -> tuple[StudyEntry, ...]:
        answers = self._asked(
            lambda: self._client.search_for_studies(
                fields=list(STUDY_KEYWORDS), search_filters=query.attributes(), limit=_PAGE, get_remaining=True
            )
        )
        return tuple(study_of(_dataset(answer)) for answer in answers)

    def instances(self, study_uid: str) -> tuple[InstanceEntry, ...]:
        answers: list[dict[str, Any]] = self._asked(
            lambda: self._client.search_for_instances(
                study_instance_uid=study_uid,
                fields=["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality"],
                limit=_PAGE,
                get_remaining=True,
            ),
            missing=[],
        )
        return tuple(self._instance(study_uid, _dataset(answer)) for answer in answers)

    def fetch(self, wanted: Sequence[InstanceEntry], receive: Receive) -> None:
        for entry in wanted:
            uids = entry.study_uid, entry.series_uid, entry.sop_uid
            receive(entry, self._asked(partial(self._file, *uids)))

    def store(self, dataset: Dataset) -> None:
        answer = self._asked(lambda: self._client.store_instances([dataset]))
        failed = answer.get("FailedSOPSequence")
        if failed:
            reason = failed[0].get("FailureReason")
            raise PacsResponseError(f"the archive did not store an object (reason {reason}); ask its administrator")

    def _file(self, study_uid: str, series_uid: str, sop_uid: str) -> bytes:
        """One object as stored, as a whole DICOM file."""
        buffer = io.BytesIO()
        dcmwrite(buffer, self._client.retrieve_instance(study_uid, series_uid, sop_uid), enforce_file_format=True)
        return buffer.getvalue()

    @staticmethod
    def _instance(study_uid: str, answer: Dataset) -> InstanceEntry:
        return InstanceEntry(
            study_uid=study_uid,
            series_uid=checked_uid(text_of(answer, "SeriesInstanceUID"), "Series Instance UID"),
            sop_uid=checked_uid(text_of(answer, "SOPInstanceUID"), "SOP Instance UID"),
            sop_class_uid=text_of(answer, "SOPClassUID"),
            modality=text_of(answer, "Modality"),
        )

    def _asked(self, ask: Callable[[], Answer], missing: Answer | None = None) -> Answer:
        """The answer; `missing` for "not found", where that is an answer. No message quotes what was sent."""
        where = self._settings.address
        try:
            with warnings.catch_warnings():
                # pydicom warns of malformed values in answers, and would quote them.
                warnings.simplefilter("ignore")
                return ask()
        except requests.exceptions.SSLError as error:
            raise PacsSecurityError(
                f"{where}: its certificate is not trusted, or ours is not accepted; name the authority that signed "
                f"it in {PREFIX}_CA (a PEM file)"
            ) from error
        except requests.exceptions.HTTPError as error:
            status = 0 if error.response is None else error.response.status_code
            if status == 404 and missing is not None:
                return missing
            raise _refused(where, status) from error
        except requests.exceptions.RequestException as error:
            raise PacsConnectionError(
                f"{where}: {_reason(error)}; check address and network. What arrived is kept: run the same again"
            ) from error
        except PacsError:
            raise
        except Exception as error:
            # The client raises whatever its parsers trip over when an answer is no DICOMweb.
            raise PacsResponseError(
                f"{where}: the answer is not understood ({type(error).__name__}); is this a DICOMweb address?"
            ) from error


def _refused(where: str, status: int) -> PacsError:
    if status in (401, 403):
        return PacsSecurityError(
            f"{where}: the credentials are not accepted (HTTP {status}); set {PREFIX}_USER and {PREFIX}_PASSWORD, "
            f"or {PREFIX}_TOKEN"
        )
    if status == 404:
        return PacsResponseError(f"{where}: not found (HTTP 404); is the object still there, and the address right?")
    return PacsResponseError(f"{where}: refused (HTTP {status}); ask its administrator, or try again later")


def _reason(error: requests.exceptions.RequestException) -> str:
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.exceptions.ReadTimeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke half-way"
    return f"no connection ({type(error).__name__})"


def _dataset(answer: dict[str, Any]) -> Dataset:
    return Dataset.from_json(answer)
